"""Token introspection, /application/o/introspect/ (RFC 7662): a client may ask about its own tokens only.

Asked for with `Accept: application/token-introspection+jwt`, the answer is signed (RFC 9701).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ostiary.grants.access_tokens import find_access
from ostiary.grants.refresh_tokens import Use, find_refresh
from ostiary.proto.oauth2.errors import OAuthError
from ostiary.providers.oauth2.client_authentication.authentication import authenticate
from ostiary.providers.oauth2.json_responses import (
    allow_origin,
    error_json,
    read_form_parameters,
    signed_answer,
    token_json,
)
from ostiary.providers.oauth2.refusals import report_foreign_token, report_refusal
from ostiary.providers.oauth2.tokens.access_token_format import may_be_access, payload_of
from ostiary.providers.oauth2.tokens.claims import add_claims, protocol_claims
from ostiary.providers.oauth2.tokens.claims_context import mapping_context_for
from ostiary.providers.oauth2.tokens.issue import claims_in_token
from ostiary.resource import codec
from ostiary.store.hashing import token_hash

if TYPE_CHECKING:
    from ostiary.providers.oauth2.provider.client import Client
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.web.request import Request
    from ostiary.web.response import Response

_INACTIVE: Final[Mapping[str, object]] = {"active": False}
_SECOND: Final = 1_000_000
_JTI: Final = 40  # characters, as of other tokens
_SIGNED: Final = "token-introspection+jwt"  # RFC 9701 4 and 5


async def introspect(request: Request, services: OAuth2Services) -> Response:
    """Return whether a token is active, and its claims. The client secret is required, of public clients too."""
    client: Client | None = None
    try:
        parameters = await read_form_parameters(request)
        client = await authenticate(request, parameters, services, always=True)
        token, now = parameters.need("token"), services.clock()
        if may_be_access(token):
            answer_claims = await _access(request, services, client, token, now=now)
        else:
            answer_claims = await _refresh(request, services, client, token, now=now)
    except OAuthError as error:
        await report_refusal(request, services, error, client=client)
        return allow_origin(request, error_json(request, error), client)
    if not _wants_signed(request):
        return allow_origin(request, token_json(answer_claims), client)
    answer = await _signed(client, answer_claims, issuer=client.issuer(request.base_url), now=now)
    return allow_origin(request, answer, client)


async def _access(
    request: Request, services: OAuth2Services, client: Client, token: str, *, now: int
) -> Mapping[str, object]:
    # guard: A58 tokens of a disabled account are inactive
    access = await find_access(services.database, token_hash(token), now=now, of_active=True)
    # guard: A16 introspection answers about a client's own tokens only
    if access is None or access.provider != client.pk:
        if access is not None:
            await report_foreign_token(request, services, client, provider=access.provider)
        return _INACTIVE
    return {
        **payload_of(token, access),
        "active": True,
        "scope": " ".join(access.scope),
        "client_id": client.provider.client_id,
        "token_type": "Bearer" if access.binding.jkt is None else "DPoP",
    }


async def _refresh(
    request: Request, services: OAuth2Services, client: Client, token: str, *, now: int
) -> Mapping[str, object]:
    """Return the claims of an ID token issued for it now, as authentik does. Its `jti` stands for the token itself."""
    hashed = token_hash(token)
    refresh = await find_refresh(services.database, hashed)
    if refresh is not None and refresh.authorization.provider != client.pk:
        await report_foreign_token(request, services, client, provider=refresh.authorization.provider)
        return _INACTIVE
    if refresh is None or refresh.use(now) is not Use.FIRST:
        return _INACTIVE
    item = refresh.authorization
    subject = await services.users.subject(item.user)
    if subject is None or not subject.user.is_active:
        return _INACTIVE
    mapping_context = mapping_context_for(client, services, request, now=now)
    claims = (await client.claim_set.claims(subject, item.scope, mapping_context)).values
    issuer = client.issuer(request.base_url)
    claims_of_id_token = protocol_claims(item, issuer=issuer, expires=refresh.expires, now=refresh.issued)
    add_claims(claims_of_id_token, claims_in_token(claims, whole=client.provider.include_claims_in_id_token))
    if item.nonce is not None:
        claims_of_id_token["nonce"] = item.nonce
    return {
        **claims_of_id_token,
        "aud": client.provider.client_id,
        "jti": token_hash(hashed.hex()).hex()[:_JTI],
        "active": True,
        "scope": " ".join(item.scope),
        "client_id": client.provider.client_id,
    }


def _wants_signed(request: Request) -> bool:
    if _SIGNED not in request.headers.get("accept", "").lower():
        return False
    accepted = (part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(","))
    return f"application/{_SIGNED}" in accepted


async def _signed(client: Client, claims: Mapping[str, object], *, issuer: str, now: int) -> Response:
    """RFC 9701 5: what the token says stands apart from what the answer says of itself, which has no sub and no exp."""
    claims = {
        "iss": issuer,
        "aud": client.provider.client_id,
        "iat": now // _SECOND,
        "token_introspection": claims,
    }
    payload = codec.encode(claims)
    if client.key.slow:
        text = await asyncio.to_thread(client.sign, payload, typ=_SIGNED)
    else:
        text = client.sign(payload, typ=_SIGNED)
    return signed_answer(text, f"application/{_SIGNED}")
