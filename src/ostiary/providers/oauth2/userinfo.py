"""The userinfo endpoint, /application/o/userinfo/ (OpenID Connect Core 5.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from ostiary.grants.access import AccessToken, find_access
from ostiary.mappings.exceptions import log_unavailable
from ostiary.proto.jose import base64url_decode
from ostiary.proto.oauth2.bearer import parse_bearer
from ostiary.proto.oauth2.errors import INSUFFICIENT_SCOPE, INVALID_TOKEN, OAuthError
from ostiary.proto.oauth2.parameters import Parameters, read_parameters
from ostiary.proto.oauth2.scope import OPENID
from ostiary.providers.oauth2.answers import allow_origin, bearer_error, read_form, token_json
from ostiary.providers.oauth2.client import Client, client_by_provider
from ostiary.resource import codec
from ostiary.store.hashing import token_hash

if TYPE_CHECKING:
    from ostiary.providers.oauth2.services import Services
    from ostiary.web.request import Request
    from ostiary.web.response import Response


async def userinfo(request: Request, services: Services) -> Response:
    """Answer who the person is, by an access token with the scope openid."""
    try:
        text = parse_bearer(request.headers.get("authorization"), await _parameters(request))
        if text is None:
            return bearer_error(request, None)
        client, token = await _find(services, text)
    except OAuthError as error:
        return bearer_error(request, error)
    try:
        answer = token_json(await _claims(services, client, token, text))
    except OAuthError as error:
        answer = bearer_error(request, error)
    return allow_origin(request, answer, client)


def payload_of(token: str) -> Mapping[str, object]:
    """Return the claims of an access token of ours. Its hash was found, so every octet of it is known to be good."""
    return cast("Mapping[str, object]", codec.decode(base64url_decode(token.split(".")[1])))


async def _parameters(request: Request) -> Parameters:
    """Return the form of a POST (RFC 6750 2.2). A token in the query is not read: it would end in logs (RFC 9700)."""
    if request.method == "POST" and request.content_type == "application/x-www-form-urlencoded":
        return await read_form(request)
    return read_parameters(())


async def _find(services: Services, text: str) -> tuple[Client, AccessToken]:
    token = await find_access(services.database, token_hash(text), now=services.clock())
    client = None if token is None else client_by_provider(services.plane.snapshot, token.provider)
    if token is None or client is None:
        raise OAuthError(INVALID_TOKEN, "unknown, expired or revoked")
    return client, token


async def _claims(services: Services, client: Client, token: AccessToken, text: str) -> dict[str, object]:
    if OPENID not in token.scope:
        raise OAuthError(INSUFFICIENT_SCOPE, "the token lacks openid")
    subject = await services.users.subject(token.user)
    if subject is None or not subject.user.is_active:
        raise OAuthError(INVALID_TOKEN, "the person is gone or disabled")
    found = client.claim_set.claims(subject, token.scope)
    for item in found.unavailable:
        log_unavailable(item)
    return {"sub": payload_of(text)["sub"], **found.values}
