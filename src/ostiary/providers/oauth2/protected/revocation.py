"""Token revocation, /application/o/revoke/ (RFC 7009): a client may take back its own tokens only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.grants.derived_tokens import revoke_with_derived
from ostiary.grants.refresh_tokens import find_refresh, revoke_family
from ostiary.proto.oauth2.errors import OAuthError
from ostiary.providers.oauth2.client_authentication.authentication import authenticate
from ostiary.providers.oauth2.json_responses import allow_origin, error_json, read_form_parameters, token_json
from ostiary.providers.oauth2.refusals import report_refusal
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
        hashed, database = token_hash(token), services.database
        if may_be_access(token):
            await database.write(lambda: revoke_with_derived(hashed, provider=client.pk))
        else:
            refresh = await find_refresh(database, hashed)
            if refresh is not None and refresh.authorization.provider == client.pk:
                family = refresh.authorization.family
                await database.write(lambda: revoke_family(family))
        return allow_origin(request, token_json({}), client)
    except OAuthError as error:
        await report_refusal(request, services, error, client=client)
        return allow_origin(request, error_json(request, error), client)
