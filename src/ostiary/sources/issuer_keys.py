"""The keys of sources: given, or read from the issuer, kept in memory and read again.

An issuer's document may name the address of its keys (`jwks_uri`). That address was written by nobody here: unless it
lies on the very host of the document it must be https, on a host of the internet (A67).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from ostiary.proto.jose.jwks import usable_keys
from ostiary.record import dataclass
from ostiary.web.outgoing.documents import fetch_json
from ostiary.web.outgoing.requests import OutgoingFailed, target_of

if TYPE_CHECKING:
    from ostiary.proto.jose import VerifyingKey
    from ostiary.sources.resources import OAuthSource

MINUTE: Final = 60_000_000  # microseconds
FRESH: Final = 60 * MINUTE
"""How long keys are used without looking again."""
AGAIN: Final = MINUTE
"""The least time between two readings, whatever key ids strangers name."""
STALE: Final = 240 * MINUTE
"""How long keys are used while the issuer does not answer."""

_log = logging.getLogger("ostiary.sources")


class NoKeys(LookupError):
    """The source has no keys that could be used now; the text says why."""


class Fetch(Protocol):
    """Reads a JSON document. Raises OutgoingFailed."""

    def __call__(self, url: str, *, public: bool = False) -> Awaitable[object]:
        """Return the document of an address."""
        ...


@dataclass(frozen=True, slots=True)
class Issuer:
    """What checks the tokens of a source. `name` is what their iss must be; None: nobody has said."""

    keys: tuple[VerifyingKey, ...]
    name: str | None = None

    def knows(self, kid: str | None) -> bool:
        """Tell whether a token that names this key could be checked."""
        return kid is None or any(key.kid in {None, kid} for key in self.keys)


@dataclass(slots=True)
class _Kept:
    """What was read of one source. Times in microseconds UTC."""

    places: tuple[str, str]
    tried: int
    read: int = 0
    issuer: Issuer | None = None

    def good(self, now: int, *, within: int) -> Issuer | None:
        return self.issuer if self.issuer is not None and 0 <= now - self.read < within else None


class IssuerKeys:
    """The keys of all sources, one entry in memory for each."""

    def __init__(self, fetch: Fetch = fetch_json) -> None:
        self._fetch = fetch
        self._kept: dict[str, _Kept] = {}
        self._reading: dict[str, asyncio.Lock] = {}

    async def issuer(self, source: OAuthSource, *, kid: str | None, now: int) -> Issuer:
        """Return the issuer behind a source, ready for a token that names the key `kid`. Raises NoKeys.

        Keys are read again after `FRESH`, and for a `kid` that is not known, at most once in `AGAIN`.
        """
        places = (source.oidc_jwks_url, source.oidc_well_known_url)
        if not any(places):
            return Issuer(usable_keys(source.oidc_jwks))
        name = str(source.pk)
        found = self._known(name, places, kid, now)
        if found is None:
            async with self._reading.setdefault(name, asyncio.Lock()):
                found = self._known(name, places, kid, now)
                if found is None:
                    await self._read(name, source, now)
                    found = self._kept[name].good(now, within=STALE)
        if found is None:
            raise NoKeys("its keys could not be read")
        return found

    def _known(self, name: str, places: tuple[str, str], kid: str | None, now: int) -> Issuer | None:
        """Return what was read before, if it is not to be read again now. Raises NoKeys."""
        kept = self._kept.get(name)
        if kept is None or kept.places != places:
            return None
        found = kept.good(now, within=FRESH)
        if found is not None and found.knows(kid):
            return found
        # guard: A67 strangers do not make us ask more than once a minute
        if not 0 <= now - kept.tried < AGAIN:  # below zero: the clock was wrong
            return None
        found = kept.good(now, within=STALE)
        if found is None:
            raise NoKeys("its keys could not be read a moment ago")
        return found

    async def _read(self, name: str, source: OAuthSource, now: int) -> None:
        places = (source.oidc_jwks_url, source.oidc_well_known_url)
        kept = self._kept.get(name)
        if kept is None or kept.places != places:
            kept = _Kept(places, now)
        try:
            kept.issuer, kept.read = await self._ask(source), now
        except OutgoingFailed as error:
            _log.warning("source %s: its keys could not be read: %s", source.name, error)
        kept.tried = now  # only now: those who ask meanwhile wait for the answer
        self._kept[name] = kept

    async def _ask(self, source: OAuthSource) -> Issuer:
        """Read the documents of a source. Raises OutgoingFailed."""
        issuer, place, public = None, source.oidc_jwks_url, False
        if source.oidc_well_known_url:
            document = _object(await self._fetch(source.oidc_well_known_url))
            issuer = _text(document, "issuer")
            if not place:
                place = _text(document, "jwks_uri")
                # guard: A67 what discovery names is an address of others
                public = not _is_same_origin(place, source.oidc_well_known_url)
                if public and not target_of(place).tls:
                    raise OutgoingFailed("jwks_uri: expected an https address, or one on the host of the document")
        keys = usable_keys(_object(await self._fetch(place, public=public)))
        if not keys:
            raise OutgoingFailed("there is no key for signatures among its keys")
        return Issuer(keys, issuer)


def _object(document: object) -> Mapping[str, object]:
    if not isinstance(document, Mapping):
        raise OutgoingFailed("expected a JSON object")
    return document


def _text(document: Mapping[str, object], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise OutgoingFailed(f"{name} is missing in the discovery document")
    return value


def _is_same_origin(url: str, other: str) -> bool:
    one, two = target_of(url), target_of(other)
    return (one.tls, one.host, one.port) == (two.tls, two.host, two.port)
