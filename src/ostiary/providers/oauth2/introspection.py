"""Token introspection, /application/o/introspect/ (RFC 7662): a client may ask about its own tokens only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ostiary.grants.access import find_access
from ostiary.grants.refresh import Use, find_refresh
from ostiary.proto.oauth2.errors import OAuthError
from ostiary.providers.oauth2.answers import error_json, read_form, token_json
from ostiary.providers.oauth2.authentication import authenticate
from ostiary.providers.oauth2.userinfo import payload_of
from ostiary.store.hashing import token_hash

if TYPE_CHECKING:
    from ostiary.providers.oauth2.client import Client
    from ostiary.providers.oauth2.services import Services
    from ostiary.web.request import Request
    from ostiary.web.response import Response

_INACTIVE: Final[Mapping[str, object]] = {"active": False}
_SECOND: Final = 1_000_000


async def introspect(request: Request, services: Services) -> Response:
    """Answer whether a token is good now, and what it says. The secret is always wanted, of public clients too."""
    try:
        parameters = await read_form(request)
        client = authenticate(request, parameters, services.plane.snapshot, always=True)
        token = parameters.need("token")
        look = _access if "." in token else _refresh
        return token_json(await look(services, client, token, now=services.clock()))
    except OAuthError as error:
        return error_json(request, error)


async def _access(services: Services, client: Client, token: str, *, now: int) -> Mapping[str, object]:
    found = await find_access(services.database, token_hash(token), now=now)
    if found is None or found.provider != client.pk:
        return _INACTIVE
    return {
        **payload_of(token),
        "active": True,
        "scope": " ".join(found.scope),
        "client_id": client.provider.client_id,
        "token_type": "Bearer",
    }


async def _refresh(services: Services, client: Client, token: str, *, now: int) -> Mapping[str, object]:
    found = await find_refresh(services.database, token_hash(token))
    if found is None or found.authorization.provider != client.pk or found.use(now) is not Use.FIRST:
        return _INACTIVE
    return {
        "active": True,
        "scope": " ".join(found.authorization.scope),
        "client_id": client.provider.client_id,
        "sub": found.authorization.sub,
        "exp": found.expires // _SECOND,
        "iat": found.issued // _SECOND,
    }
