"""Token revocation, /application/o/revoke/ (RFC 7009): a client may take back its own tokens only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.grants.access_tokens import find_access
from ostiary.grants.derived_tokens import revoke_with_derived
from ostiary.grants.refresh_tokens import find_refresh, revoke_family
from ostiary.proto.oauth2.errors import OAuthError
from ostiary.providers.oauth2.client_authentication.authentication import authenticate
from ostiary.providers.oauth2.json_responses import allow_origin, error_json, read_form_parameters, token_json
from ostiary.providers.oauth2.refusals import report_foreign_token, report_refusal
from ostiary.providers.oauth2.tokens.access_token_format import may_be_access
from ostiary.store.hashing import token_hash

if TYPE_CHECKING:
    from ostiary.providers.oauth2.provider.client import Client
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.web.request import Request
    from ostiary.web.response import Response


async def revoke(request: Request, services: OAuth2Services) -> Response:
    """Take a token back; a refresh token takes its family along (2.1). Unknown ones are answered 200 as well (2.2)."""
    client: Client | None = None
    try:
        parameters = await read_form_parameters(request)
        client = await authenticate(request, parameters, services)
        token = parameters.need("token")
        owner = await (_access if may_be_access(token) else _refresh)(services, client, token_hash(token))
        if owner not in {None, client.pk}:
            await report_foreign_token(request, services, client, provider=owner)
        return allow_origin(request, token_json({}), client)
    except OAuthError as error:
        await report_refusal(request, services, error, client=client)
        return allow_origin(request, error_json(request, error), client)


async def _access(services: OAuth2Services, client: Client, hashed: bytes) -> int | None:
    """Revoke an access token of the client; return whose it was, None for a token that nobody has."""
    if await services.database.write(lambda: revoke_with_derived(hashed, provider=client.pk)):
        return client.pk
    other = await find_access(services.database, hashed, now=services.clock())
    return None if other is None else other.provider


async def _refresh(services: OAuth2Services, client: Client, hashed: bytes) -> int | None:
    """Revoke the family of a refresh token of the client; return as `_access` does."""
    refresh = await find_refresh(services.database, hashed)
    if refresh is None:
        return None
    authorization = refresh.authorization
    if authorization.provider == client.pk:
        await services.database.write(lambda: revoke_family(authorization.family))
    return authorization.provider
