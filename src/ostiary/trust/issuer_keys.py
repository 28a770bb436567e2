"""The keys of issuers: configured in the source, or fetched from the issuer and cached.

A discovery document may contain the address of the keys (`jwks_uri`). No administrator has approved that address:
unless its host is that of the document, it must use https and resolve to a public host (A67).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Final, Protocol
from weakref import WeakValueDictionary

from ostiary.proto.jose.jwks import usable_keys
from ostiary.record import dataclass
from ostiary.resource.bounded_cache import BoundedCache
from ostiary.web.outgoing.documents import fetch_json
from ostiary.web.outgoing.requests import OutgoingFailed, target_of

if TYPE_CHECKING:
    from ostiary.proto.jose import VerifyingKey
    from ostiary.trust.oauth_source import OAuthSource

MINUTE: Final = 60_000_000  # microseconds
_MOST_SOURCES: Final = 1_024  # sources in the cache
FRESH: Final = 60 * MINUTE
"""How long cached keys are used without a refresh, in microseconds."""
AGAIN: Final = MINUTE
"""The minimum time between two fetches, in microseconds: unknown key ids cannot cause more of them."""
STALE: Final = 240 * MINUTE
"""How long cached keys are used while the issuer is unreachable, in microseconds."""

_log = logging.getLogger("ostiary.trust")


class NoKeys(LookupError):
    """The source has no usable keys at present; the text says why."""


class Fetch(Protocol):
    """Reads a JSON document. Raises OutgoingFailed."""

    def __call__(self, url: str, *, public: bool = False) -> Awaitable[object]:
        """Return the document at an address. `public`: refuse an address in a private network."""
        ...


@dataclass(frozen=True, slots=True)
class Issuer:
    """The keys that verify the tokens of a source. `name` is the required `iss` claim, or None if it is unknown."""

    keys: tuple[VerifyingKey, ...]
    name: str | None = None

    def knows(self, kid: str | None) -> bool:
        """Return whether a token with this `kid` can be verified."""
        return kid is None or any(key.kid in {None, kid} for key in self.keys)


@dataclass(slots=True)
class _CacheEntry:
    """The issuer of one source, as last fetched from `addresses`. Times are in microseconds UTC."""

    addresses: tuple[str, str]
    tried: int
    read: int = 0
    issuer: Issuer | None = None

    def valid_issuer(self, now: int, *, within: int) -> Issuer | None:
        """Return the issuer if it was fetched less than `within` microseconds ago."""
        return self.issuer if self.issuer is not None and 0 <= now - self.read < within else None


class IssuerKeys:
    """The cache of issuers' keys, by source."""

    def __init__(self, fetch: Fetch = fetch_json) -> None:
        self._fetch = fetch
        self._cache: BoundedCache[str, _CacheEntry] = BoundedCache(_MOST_SOURCES)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # of sources being fetched

    async def issuer(self, source: OAuthSource, *, kid: str | None, now: int) -> Issuer:
        """Return the issuer of a source for a token with the header `kid`. Raises NoKeys.

        Keys are fetched again after `FRESH`, and for an unknown `kid`, at most once per `AGAIN`.
        """
        addresses = (source.oidc_jwks_url, source.oidc_well_known_url)
        if not any(addresses):
            return Issuer(usable_keys(source.oidc_jwks))
        name = str(source.pk)
        issuer = self._cached(name, addresses, kid, now)
        if issuer is None:
            async with self._locks.setdefault(name, asyncio.Lock()):
                issuer = self._cached(name, addresses, kid, now)
                if issuer is None:
                    await self._refresh(name, source, now)
                    issuer = self._cache[name].valid_issuer(now, within=STALE)
        if issuer is None:
            raise NoKeys("its keys could not be read")
        return issuer

    def _cached(self, name: str, addresses: tuple[str, str], kid: str | None, now: int) -> Issuer | None:
        """Return the cached issuer, or None if it must be fetched again now. Raises NoKeys."""
        entry = self._cache.get(name)
        if entry is None or entry.addresses != addresses:
            return None
        issuer = entry.valid_issuer(now, within=FRESH)
        if issuer is not None and issuer.knows(kid):
            return issuer
        # guard: A67 unknown key ids cause at most one fetch a minute
        if not 0 <= now - entry.tried < AGAIN:  # below zero: the clock was set back
            return None
        issuer = entry.valid_issuer(now, within=STALE)
        if issuer is None:
            raise NoKeys("its keys could not be read a moment ago")
        return issuer

    async def _refresh(self, name: str, source: OAuthSource, now: int) -> None:
        addresses = (source.oidc_jwks_url, source.oidc_well_known_url)
        entry = self._cache.get(name)
        if entry is None or entry.addresses != addresses:
            entry = _CacheEntry(addresses, now)
        try:
            entry.issuer, entry.read = await self._fetch_issuer(source), now
        except OutgoingFailed as error:
            _log.warning("source %s: its keys could not be read: %s", source.name, error)
        entry.tried = now  # only now: concurrent requests wait for this fetch
        self._cache.keep(name, entry)

    async def _fetch_issuer(self, source: OAuthSource) -> Issuer:
        """Fetch the discovery document and the keys of a source. Raises OutgoingFailed."""
        issuer, jwks_uri, public = None, source.oidc_jwks_url, False
        if source.oidc_well_known_url:
            document = _object(await self._fetch(source.oidc_well_known_url))
            issuer = _text(document, "issuer")
            if not jwks_uri:
                jwks_uri = _text(document, "jwks_uri")
                # guard: A67 the jwks_uri of a discovery document is untrusted
                public = not _is_same_origin(jwks_uri, source.oidc_well_known_url)
                if public and not target_of(jwks_uri).tls:
                    raise OutgoingFailed("jwks_uri: expected an https address, or one on the host of the document")
        keys = usable_keys(_object(await self._fetch(jwks_uri, public=public)))
        if not keys:
            raise OutgoingFailed("the key set contains no key for signatures")
        return Issuer(keys, issuer)


def _object(document: object) -> Mapping[str, object]:
    if not isinstance(document, Mapping):
        raise OutgoingFailed("expected a JSON object")
    return document


def _text(document: Mapping[str, object], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise OutgoingFailed(f"the discovery document has no {name}")
    return value


def _is_same_origin(url: str, other: str) -> bool:
    one, two = target_of(url), target_of(other)
    return (one.tls, one.host, one.port) == (two.tls, two.host, two.port)
