"""grant_type=refresh_token (RFC 6749 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.grants.refresh_tokens import RefreshToken, Use, find_refresh, rotate, store_without_rotation, successor
from ostiary.proto.oauth2.errors import INVALID_GRANT, OAuthError
from ostiary.proto.oauth2.scope import narrow_scope
from ostiary.proto.oauth2.token import narrow_resources, parse_refresh_request
from ostiary.providers.oauth2.client_authentication.token_binding import verify_same_binding
from ostiary.providers.oauth2.provider.client import offered_scopes
from ostiary.providers.oauth2.token.request import GrantResult, TokenRequest, end_family
from ostiary.store.hashing import token_hash

if TYPE_CHECKING:
    from ostiary.providers.oauth2.provider.client import Client
    from ostiary.providers.oauth2.tokens.issue import Issued
    from ostiary.store.database import Batch


async def refresh_token(token_request: TokenRequest) -> GrantResult:
    """Exchange a refresh token. Reuse revokes the family (RFC 9700 4.14.2). Raises OAuthError."""
    parameters = parse_refresh_request(token_request.parameters)
    token = await find_refresh(token_request.services.database, token_hash(parameters.token))
    if token is None:
        raise OAuthError(INVALID_GRANT, "unknown refresh token")
    item = token.authorization
    # guard: A16 a refresh token is bound to its client
    if item.provider != token_request.client.pk:
        raise OAuthError(INVALID_GRANT, "the refresh token was issued to another client")
    verify_same_binding(
        token.binding, token_request.binding
    )  # before reuse detection: only the holder of the key can revoke a family
    use = token.use(token_request.now)
    if use is Use.EXPIRED:
        raise OAuthError(INVALID_GRANT, "expired refresh token")
    # guard: A19 reuse of a refresh token is detected
    if use is Use.REUSED:
        await end_family(token_request, item.family, "a refresh token was used twice")
    return GrantResult(
        authorization=item,
        scope=_narrowed(token_request.client, parameters.scope, item.scope),
        rotate=use is Use.AGAIN or _is_due(token_request.client, token, token_request.now),
        successor=successor(parameters.token, key=token_request.services.options.refresh_key),
        nonce=None,  # Core 12.2: it SHOULD NOT be there, even though the first ID token had one
        store=lambda issued: _store(token, use, issued, token_request.now),
        resources=narrow_resources(parameters.resources, item.resources, known=token_request.client.provider.resources),
    )


def _narrowed(client: Client, requested: tuple[str, ...], granted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the scopes of the new access token. Scopes the client may not have are dropped, as at authorize.

    A client that repeats its original request gets the granted scopes. More scopes, or unknown scopes only, are
    refused: OAuthError (invalid_scope, RFC 6749 6).
    """
    known = {*offered_scopes(client), *granted}
    left = tuple(name for name in requested if name in known)
    return narrow_scope(left or requested, granted)


def _is_due(client: Client, token: RefreshToken, now: int) -> bool:
    """Return whether the token is rotated: always for public clients (RFC 9700 2.2.2), and without a threshold."""
    return client.public or client.refresh_threshold <= 0 or token.expires - now <= client.refresh_threshold


def _store(token: RefreshToken, use: Use, issued: Issued, now: int) -> Batch[None]:
    if issued.refresh is None:
        return store_without_rotation(token, access=issued.access)
    return rotate(token, use=use, access=issued.access, refresh=issued.refresh, now=now)
