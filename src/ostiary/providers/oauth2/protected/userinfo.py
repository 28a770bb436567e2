"""The userinfo endpoint, /application/o/userinfo/ (OpenID Connect Core 5.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ostiary.grants.access_tokens import AccessToken, find_access
from ostiary.mappings.claims import NO_CLAIMS, Claims, combined
from ostiary.mappings.mapping_events import log_failed, mapping_statements
from ostiary.proto.oauth2.bearer import parse_token
from ostiary.proto.oauth2.errors import INSUFFICIENT_SCOPE, INVALID_TOKEN, OAuthError
from ostiary.proto.oauth2.parameters import Parameters, read_parameters
from ostiary.proto.oauth2.scope import OPENID
from ostiary.providers.oauth2.client_authentication.dpop import offer_nonce
from ostiary.providers.oauth2.client_authentication.token_binding import verify_token_binding
from ostiary.providers.oauth2.json_responses import (
    allow_origin,
    bearer_error,
    read_form_parameters,
    signed_answer,
    token_json,
)
from ostiary.providers.oauth2.provider.client import Client, client_by_provider
from ostiary.providers.oauth2.refusals import report_refusal
from ostiary.providers.oauth2.tokens.access_token_format import asked_of, payload_of
from ostiary.providers.oauth2.tokens.claims_context import mapping_context_for
from ostiary.resource import codec
from ostiary.store.hashing import token_hash
from ostiary.store.workspace.commit import write_all

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.web.request import Request
    from ostiary.web.response import Response

_SECOND: Final = 1_000_000


async def userinfo(request: Request, services: OAuth2Services) -> Response:
    """Answer who the person is, by an access token with the scope openid, and the proof a bound one needs."""
    client: Client | None = None
    now = services.clock()
    try:
        sent = parse_token(request.headers.get("authorization"), await _parameters(request))
        if sent is None:
            return bearer_error(request, None)
        client, token = await _find(services, sent.token, now)
        await verify_token_binding(request, services, token, sent)
        claims = await _claims(request, services, client, token, sent.token, now=now)
    except OAuthError as error:
        await report_refusal(request, services, error, client=client)
        return offer_nonce(request, allow_origin(request, bearer_error(request, error), client), services)
    if client.provider.userinfo_signed:
        answer = signed_answer(await _sealed(client, claims, issuer=client.issuer(request.base_url), now=now))
    else:
        answer = token_json(claims)
    return offer_nonce(request, allow_origin(request, answer, client), services)


async def _parameters(request: Request) -> Parameters:
    """Return the form of a POST (RFC 6750 2.2). A token in the query is not read: it would end in logs (RFC 9700)."""
    if request.method == "POST" and request.content_type == "application/x-www-form-urlencoded":
        return await read_form_parameters(request)
    return read_parameters(())


async def _find(services: OAuth2Services, text: str, now: int) -> tuple[Client, AccessToken]:
    token = await find_access(services.database, token_hash(text), now=now)
    client = None if token is None else client_by_provider(services.plane.snapshot, token.provider)
    if token is None or client is None:
        raise OAuthError(INVALID_TOKEN, "unknown, expired or revoked")
    return client, token


async def _claims(
    request: Request, services: OAuth2Services, client: Client, token: AccessToken, text: str, *, now: int
) -> dict[str, object]:
    """Return the claims as they are now: those of the scopes, and single ones that were asked for (Core 5.4, 5.5)."""
    if OPENID not in token.scope:
        raise OAuthError(INSUFFICIENT_SCOPE, "the token lacks openid")
    subject = await services.users.subject(token.user)
    if subject is None or not subject.user.is_active:
        raise OAuthError(INVALID_TOKEN, "the person is gone or disabled")
    mapping_context = mapping_context_for(client, services, request, now=now)
    found = await client.claim_set.claims(subject, token.scope, mapping_context)
    requested = asked_of(token)
    single = await client.claim_set.pick(subject, requested, mapping_context) if requested else NO_CLAIMS
    await _write(services, combined(found, single), subject, request, now=now)
    return userinfo_claims({**found.values, **single.values}, payload_of(text, token))


async def _write(services: OAuth2Services, claims: Claims, subject: Subject, request: Request, *, now: int) -> None:
    """Log what failed, and write the events that expressions want. A failure leaves no event: programs ask often."""
    for item in claims.failed:
        log_failed(item, now=now)
    wanted = tuple(
        mapping_statements(Claims({}, (), claims.effects), user=subject.user.who, client_ip=request.client, now=now)
    )
    if wanted:
        await write_all(services.database, wanted)


def userinfo_claims(claims: Mapping[str, object], identity: Mapping[str, object]) -> dict[str, object]:
    """Return the answer: the claims of mappings, and what the token says of the person."""
    # The subject is that of the ID token, whatever a mapping says by now (Core 5.3.2).
    nonce = {"nonce": identity["nonce"]} if "nonce" in identity else {}  # as authentik does
    return {**claims, **nonce, "sub": identity["sub"]}


async def _sealed(client: Client, claims: dict[str, object], *, issuer: str, now: int) -> str:
    """Return the claims signed, with iss and aud, and encrypted where ID tokens are (Core 5.3.2)."""
    payload = codec.encode({**claims, "iss": issuer, "aud": client.provider.client_id, "iat": now // _SECOND})
    if client.key.slow:
        return await asyncio.to_thread(_sign_and_seal, client, payload)
    return _sign_and_seal(client, payload)


def _sign_and_seal(client: Client, payload: bytes) -> str:
    return client.seal(client.sign(payload))
