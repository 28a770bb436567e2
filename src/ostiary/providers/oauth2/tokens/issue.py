"""Issues the tokens of one response. They are signed here, and stored by the caller's batch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from ostiary.grants.access_tokens import AccessToken
from ostiary.grants.binding import UNBOUND, Binding
from ostiary.grants.refresh_tokens import NewRefresh
from ostiary.mappings.claims import NO_CLAIMS, Claims, combined
from ostiary.proto.jose import sign
from ostiary.proto.oauth2.scope import OFFLINE_ACCESS
from ostiary.proto.oauth2.token import TokenResponse
from ostiary.providers.oauth2.tokens.access_token_format import Form, make_access, row_body
from ostiary.providers.oauth2.tokens.claims import add_claims, half_hash, protocol_claims, random_text
from ostiary.providers.oauth2.tokens.signing_executor import desk
from ostiary.record import dataclass
from ostiary.resource import codec
from ostiary.store.hashing import new_token, token_hash

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.grants.family import Authorization
    from ostiary.mappings.mapping_context import MappingContext
    from ostiary.providers.oauth2.provider.client import Client

_REFRESH_BITS: Final = 768  # 128 characters, as clients have seen
_SECOND: Final = 1_000_000
_ALWAYS: Final = ("sub", "acr", "amr", "scope")  # what a mapping may say in a token without other claims


def claims_in_token(claims: Mapping[str, object], *, whole: bool) -> Mapping[str, object]:
    """Return the claims of scopes for a token: all, or those about authentication and subject only."""
    return claims if whole else {name: claims[name] for name in _ALWAYS if name in claims}


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """The token response, its rows, and the failures of mappings."""

    answer: TokenResponse
    access: AccessToken
    refresh: NewRefresh | None
    claims: Claims


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontTokens:
    """The tokens of an authorization response, and the row for the caller to store."""

    access_token: str | None
    access: AccessToken | None
    id_token: str | None
    expires_in: int  # seconds
    claims: Claims


async def issue_tokens(
    client: Client,
    authorization: Authorization,
    subject: Subject,
    *,
    mapping_context: MappingContext,
    scope: tuple[str, ...],
    issuer: str,
    refresh: str | None,
    nonce: str | None,
    now: int,
    binding: Binding = UNBOUND,
    identify: bool = True,
    resources: tuple[str, ...] | None = None,
    until: int | None = None,
) -> Issued:
    """Return new tokens, without storing them.

    `mapping_context` is what mappings see. `refresh` is the refresh token, issued only with offline_access.

    `binding` is the key the tokens are bound to, `identify` requests an ID token, `resources` is the audience of the
    access token (RFC 8707); None: all granted resources. The access token expires at `until` at the latest.
    """
    making = _Making(
        client=client,
        authorization=authorization,
        scope=scope,
        issuer=issuer,
        claims=await client.claim_set.claims(subject, scope, mapping_context),
        requested=await _requested(client, authorization, subject, mapping_context) if identify else NO_CLAIMS,
        now=now,
        until=until,
    )
    form = making.access_form(nonce, binding, authorization.resources if resources is None else resources)
    identity = making.identity(nonce, whole=client.provider.include_claims_in_id_token) if identify else None
    access_token, id_token = await _signed(client, form, identity)
    refresh_token = refresh if OFFLINE_ACCESS in authorization.scope else None
    return Issued(
        answer=TokenResponse(
            access_token or "",
            (making.expires - now) // _SECOND,
            scope,
            id_token,
            refresh_token,
            token_type="Bearer" if binding.jkt is None else "DPoP",
        ),
        access=making.row(access_token or "", form, binding),
        refresh=None if refresh_token is None else _refresh_row(client, refresh_token, binding, now),
        claims=combined(making.claims, making.requested),
    )


def new_refresh() -> str:
    """Return a new refresh token that is no successor of another."""
    return new_token(_REFRESH_BITS)


def _refresh_row(client: Client, token: str, binding: Binding, now: int) -> NewRefresh:
    return NewRefresh(
        hash=token_hash(token),
        expires=now + client.refresh_lifetime,
        # Others than public clients prove themselves at each use: that binds the token (RFC 9449 5, RFC 8705 4).
        binding=binding if client.public else UNBOUND,
    )


async def issue_front(
    client: Client,
    authorization: Authorization,
    subject: Subject,
    *,
    mapping_context: MappingContext,
    issuer: str,
    access: bool,
    identify: bool,
    code: str | None,
    state: str | None,
    now: int,
) -> FrontTokens:
    """Return the tokens of the implicit and hybrid flows (OpenID Connect Core 3.2.2.5, 3.3.2.5), without storing them.

    The ID token has at_hash, c_hash and s_hash. Without an access token for userinfo
    it holds the claims itself (5.4).
    """
    making = await _making(client, authorization, subject, mapping_context, issuer=issuer, now=now)
    form = making.access_form(authorization.nonce, UNBOUND, authorization.resources) if access else None
    identity = None
    if identify:
        alone = not access and code is None
        identity = making.identity(
            authorization.nonce, whole=alone or client.provider.include_claims_in_id_token, code=code, state=state
        )
    access_token, id_token = await _signed(client, form, identity)
    return FrontTokens(
        access_token=access_token,
        access=None if access_token is None or form is None else making.row(access_token, form, UNBOUND),
        id_token=id_token,
        expires_in=client.access_lifetime // _SECOND,
        claims=combined(making.claims, making.requested),
    )


async def preview_identity(
    client: Client,
    authorization: Authorization,
    subject: Subject,
    mapping_context: MappingContext,
    *,
    issuer: str,
    now: int,
) -> tuple[dict[str, object], Claims]:
    """Return the claims of the ID token that the token endpoint would sign, and those of the scopes. None is issued."""
    making = await _making(client, authorization, subject, mapping_context, issuer=issuer, now=now)
    identity = making.identity(authorization.nonce, whole=client.provider.include_claims_in_id_token)
    return identity, combined(making.claims, making.requested)


async def _making(
    client: Client,
    authorization: Authorization,
    subject: Subject,
    mapping_context: MappingContext,
    *,
    issuer: str,
    now: int,
) -> _Making:
    """Return the values of tokens for the whole scope of an authorization."""
    return _Making(
        client=client,
        authorization=authorization,
        scope=authorization.scope,
        issuer=issuer,
        claims=await client.claim_set.claims(subject, authorization.scope, mapping_context),
        requested=await _requested(client, authorization, subject, mapping_context),
        now=now,
    )


async def _requested(
    client: Client, authorization: Authorization, subject: Subject, mapping_context: MappingContext
) -> Claims:
    """Return the single claims that were asked for in the ID token."""
    names = authorization.claims.names("id_token")
    return await client.claim_set.pick(subject, names, mapping_context) if names else NO_CLAIMS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Making:
    """The values shared by the tokens of one response."""

    client: Client
    authorization: Authorization
    scope: tuple[str, ...]
    issuer: str
    claims: Claims
    requested: Claims
    now: int
    until: int | None = None

    @property
    def expires(self) -> int:
        usual = self.now + self.client.access_lifetime
        # guard: A18 derived tokens expire no later than their original
        return usual if self.until is None else min(usual, self.until)

    def protocol(self) -> dict[str, object]:
        return protocol_claims(self.authorization, issuer=self.issuer, expires=self.expires, now=self.now)

    def access_form(self, nonce: str | None, binding: Binding, resources: tuple[str, ...]) -> Form:
        return make_access(
            self.client,
            self.protocol(),
            claims=self.scope_claims(whole=self.client.provider.include_claims_in_id_token),
            scope=self.scope,
            nonce=nonce,
            confirmation=binding.confirmation(),
            resources=resources,
        )

    def scope_claims(self, *, whole: bool) -> Mapping[str, object]:
        """Return the claims of the scopes, or the few that every token has."""
        return claims_in_token(self.claims.values, whole=whole)

    def identity(
        self, nonce: str | None, *, whole: bool, code: str | None = None, state: str | None = None
    ) -> dict[str, object]:
        """Return the claims of an ID token (Core 2). `whole` includes those of the scopes."""
        claims = self.protocol()
        claims["aud"] = self.client.provider.client_id
        claims["jti"] = random_text()
        add_claims(claims, self.scope_claims(whole=whole))
        add_claims(claims, self.requested.values)
        if nonce is not None:
            claims["nonce"] = nonce
        algorithm = self.client.key.algorithm
        hashes = (("c_hash", code), ("s_hash", state))
        claims.update((name, half_hash(text, algorithm)) for name, text in hashes if text)
        return claims

    def row(self, token: str, form: Form, binding: Binding) -> AccessToken:
        item = self.authorization
        return AccessToken(
            hash=token_hash(token),
            family=item.family or None,
            provider=self.client.pk,
            user=item.user,
            session=item.session,
            scope=self.scope,
            issued=self.now,
            expires=self.expires,
            body=row_body(form, item.claims.names("userinfo")),
            binding=binding,
        )


async def _signed(
    client: Client, form: Form | None, identity: Mapping[str, object] | None
) -> tuple[str | None, str | None]:
    if client.key.slow and (identity is not None or (form is not None and form.signed)):
        return await desk().make(partial(_sign, client, form, identity))
    return _sign(client, form, identity)


def _sign(client: Client, form: Form | None, identity: Mapping[str, object] | None) -> tuple[str | None, str | None]:
    access_token = None if form is None else form.text(client)
    if identity is None:
        return access_token, None
    if access_token is not None:
        identity = {**identity, "at_hash": half_hash(access_token, client.key.algorithm)}
    return access_token, client.seal(sign(codec.encode(identity), client.key))
