"""The device authorization endpoint, /application/o/device/ (RFC 8628 3.1).

A client without its secret may ask here, as many devices do; who has one must prove itself when it fetches the tokens.
What is sent to prove the client has to be right, though.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from ostiary.brands.select import select
from ostiary.flows.resources import Flow
from ostiary.grants.counters import hit_until
from ostiary.grants.device_codes import WAIT, DeviceGrant, begin_device, drop_taken
from ostiary.proto.oauth2.device_authorization import (
    MAX_CODE,
    MIN_CODE,
    DeviceAuthorizationResponse,
    parse_device_request,
)
from ostiary.proto.oauth2.errors import SLOW_DOWN, UNAUTHORIZED_CLIENT, OAuthError
from ostiary.providers.oauth2.client_authentication.authentication import present, prove
from ostiary.providers.oauth2.json_responses import allow_origin, error_json, read_form_parameters, token_json, too_many
from ostiary.providers.oauth2.provider.client import Client, offered_scopes
from ostiary.providers.oauth2.provider.fields import DEVICE_CODE
from ostiary.providers.oauth2.refusals import report_refusal
from ostiary.providers.oauth2.token.registry import GRANTS, require_allowed_grant
from ostiary.store.database import Duplicate
from ostiary.store.hashing import new_token, token_hash
from ostiary.store.workspace.commit import write_all
from ostiary.web.addresses import address_key

if TYPE_CHECKING:
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.web.request import Request
    from ostiary.web.response import Response

PAGE: Final = "/device"

_CODE_BITS: Final = 768  # 128 characters, as clients have seen
_TRIES: Final = 8  # to find a user code nobody has; one in a million taken needs two
_SECOND: Final = 1_000_000


def device_flow(snapshot: Snapshot, host: str) -> Flow | None:
    """Return the flow in which people enter codes at the address of that host, None when its brand has none."""
    pk = select(snapshot, host).flow_device_code
    return snapshot.get(Flow, pk) if pk is not None else None


async def device(request: Request, services: OAuth2Services) -> Response:
    """Answer a pair of codes. Throttled by address."""
    client: Client | None = None
    try:
        over = await _is_over(request, services)
        if over is not None:
            error = OAuthError(SLOW_DOWN, "too many device codes for this address")
            await report_refusal(request, services, error, client=client)
            return too_many(request, error, until=over, now=services.clock())
        parameters = await read_form_parameters(request)
        presented = present(request, parameters, services)
        client = presented.client
        if presented.claim.method != "none":
            await prove(presented, request, services)
        require_allowed_grant(client, GRANTS[DEVICE_CODE])
        _check_flow(request, services)
        scopes = parse_device_request(parameters)
        answer = await _begin(request, services, client, scopes)
    except OAuthError as error:
        await report_refusal(request, services, error, client=client)
        return allow_origin(request, error_json(request, error), client)
    return allow_origin(request, token_json(answer.body()), client)


def _check_flow(request: Request, services: OAuth2Services) -> None:
    if device_flow(services.plane.snapshot, request.host) is None:
        raise OAuthError(UNAUTHORIZED_CLIENT, "the brand of this address has no flow for devices (flow_device_code)")


async def _begin(
    request: Request, services: OAuth2Services, client: Client, scopes: tuple[str, ...]
) -> DeviceAuthorizationResponse:
    """Store a request whose scopes are what was asked and is offered; none asked is none, as in authentik."""
    now, offered = services.clock(), offered_scopes(client)
    for _ in range(_TRIES):
        device_code = new_token(_CODE_BITS)
        user_code = str(MIN_CODE + secrets.randbelow(MAX_CODE - MIN_CODE + 1))
        item = DeviceGrant(
            hash=token_hash(device_code),
            user_hash=token_hash(user_code),
            provider=client.pk,
            scope=tuple(name for name in scopes if name in offered),
            issued=now,
            expires=now + client.device_lifetime,
        )
        try:
            await write_all(services.database, [drop_taken(item.user_hash, now=now), begin_device(item)])
        except Duplicate:
            continue
        return DeviceAuthorizationResponse(
            device_code,
            user_code,
            f"{request.base_url}{PAGE}",
            expires_in=client.device_lifetime // _SECOND,
            interval=WAIT // _SECOND,
        )
    raise OAuthError(SLOW_DOWN, "no free user code was found")


async def _is_over(request: Request, services: OAuth2Services) -> int | None:
    """Count the request; return when its address may ask again, microseconds UTC, or None: now."""
    rate, now = services.options.device_rate, services.clock()
    key = f"device:{address_key(request.client)}"
    count, until = await services.database.write(lambda: hit_until(key, window=rate.window, now=now))
    return until if count > rate.most else None
