"""The OAuth2 client: everything that endpoints need of one provider, compiled once for each snapshot."""

from __future__ import annotations

import logging
from dataclasses import field
from typing import TYPE_CHECKING

from ostiary.applications.by_provider import application_of
from ostiary.applications.resources import Application
from ostiary.mappings.claims import ClaimSet
from ostiary.mappings.resources import PROPERTY_MAPPING
from ostiary.mappings.scope_mapping import ScopeMapping
from ostiary.proto.duration import parse_duration
from ostiary.proto.jose import SigningKey, VerifyingKey, sign
from ostiary.proto.oauth2.authorization.redirect import is_allowed, origins
from ostiary.proto.oauth2.scope import OPENID
from ostiary.providers.oauth2.provider.definition import OAuth2Provider
from ostiary.providers.oauth2.tokens.key_set import KeySet, UnusableKeys, key_set, verify_own
from ostiary.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ostiary.store.configuration.snapshot import Snapshot

_log = logging.getLogger("ostiary.oauth2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One OAuth2 client. Lifetimes are microseconds."""

    provider: OAuth2Provider
    application: Application
    claim_set: ClaimSet
    keys: KeySet = field(repr=False)
    origins: frozenset[str]
    code_lifetime: int
    device_lifetime: int
    access_lifetime: int
    refresh_lifetime: int
    refresh_threshold: int

    @property
    def pk(self) -> int:
        """The primary key of the provider, under which grants are stored."""
        return int(self.provider.pk)

    @property
    def key(self) -> SigningKey:
        """The signing key."""
        return self.keys.signing

    @property
    def verifying(self) -> tuple[VerifyingKey, ...]:
        """The keys that verify signatures made for this client, the current one first."""
        return self.keys.verifying

    @property
    def public(self) -> bool:
        """Whether the client has no secret of its own (RFC 6749 2.1)."""
        return self.provider.client_type == "public"

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes the client may ask for."""
        return self.claim_set.scopes

    def issuer(self, base_url: str) -> str:
        """Return the issuer under the address the request came to, with its final slash."""
        if self.provider.issuer_mode == "global":
            return f"{base_url}/"
        return f"{base_url}/application/o/{self.application.slug}/"

    def may_redirect_to(self, uri: str) -> bool:
        """Return whether an answer may be sent there."""
        return is_allowed(uri, self.provider.redirect_uris, any_port=self.public)

    def sign(self, payload: bytes, *, typ: str = "JWT") -> str:
        """Return the payload signed."""
        return sign(payload, self.keys.signing, typ=typ)

    def seal(self, token: str) -> str:
        """Return a signed token, encrypted if the client has an encryption key (nested JWT, RFC 7519 5.2)."""
        recipient = self.keys.client
        return token if recipient is None else recipient.encrypt(token.encode("ascii"))

    def read_own(self, token: str) -> Mapping[str, object]:
        """Return the claims of a token signed for this client, expired or not (id_token_hint). Raises JoseError."""
        return verify_own(self.keys.verifying, token)


def client_by_id(snapshot: Snapshot, client_id: str) -> Client | None:
    """Return the client of that id; None when it is unknown or has no application."""
    compiled = snapshot.memo("oauth2.compiled", dict[str, Client])
    client = compiled.get(client_id)
    if client is not None:
        return client
    numbers = snapshot.memo(
        "oauth2.client_ids", lambda: {item.client_id: int(item.pk) for item in snapshot.all(OAuth2Provider)}
    )
    number = numbers.get(client_id)
    client = None if number is None else client_by_provider(snapshot, number)
    if client is not None:
        compiled[client_id] = client
    return client


def client_by_provider(snapshot: Snapshot, pk: int) -> Client | None:
    """Return the client of that provider."""
    provider = snapshot.get(OAuth2Provider, pk)
    return None if provider is None else _client(snapshot, provider)


def client_by_slug(snapshot: Snapshot, slug: str) -> Client | None:
    """Return the client of the application of that slug."""
    application = snapshot.find(Application, slug=slug)
    if application is None or application.provider is None:
        return None
    return client_by_provider(snapshot, application.provider)


def _client(snapshot: Snapshot, provider: OAuth2Provider) -> Client | None:
    return snapshot.memo(("oauth2.client", provider.pk), lambda: _compile(snapshot, provider))


def _compile(snapshot: Snapshot, provider: OAuth2Provider) -> Client | None:
    application = application_of(snapshot, int(provider.pk))
    if application is None:
        return None
    try:
        keys = key_set(snapshot, provider)
    except UnusableKeys as error:
        _log.error("provider %s: %s; the application is not served", provider.name, error)
        return None
    mappings = (snapshot.resolve(PROPERTY_MAPPING, pk) for pk in provider.property_mappings)
    return Client(
        provider=provider,
        application=application,
        claim_set=ClaimSet(item for item in mappings if isinstance(item, ScopeMapping)),
        keys=keys,
        origins=origins(provider.redirect_uris),
        code_lifetime=parse_duration(provider.access_code_validity),
        device_lifetime=parse_duration(provider.device_code_validity),
        access_lifetime=parse_duration(provider.access_token_validity),
        refresh_lifetime=parse_duration(provider.refresh_token_validity),
        refresh_threshold=parse_duration(provider.refresh_token_threshold),
    )


def offered_scopes(client: Client) -> tuple[str, ...]:
    """Return the scopes for discovery: those of the mappings, and `openid`, which needs none."""
    return client.scopes if OPENID in client.scopes else (*client.scopes, OPENID)
