"""The endpoint for pushed authorization requests, /application/o/par/ (RFC 9126).

A pushed request is checked as at the authorization endpoint, so that the client hears of its mistakes itself; the
browser brings only the name it got. Anybody can speak for a public client: what those leave here is bounded for each
address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.grants.counters import hit_until
from ostiary.grants.pushed_requests import Pushed, insert_pushed
from ostiary.proto.oauth2.authorization.request import parse_request
from ostiary.proto.oauth2.authorization.request_uri import LIFETIME, PREFIX, pushed_pairs
from ostiary.proto.oauth2.errors import INVALID_DPOP_PROOF, INVALID_REQUEST_OBJECT, TEMPORARILY_UNAVAILABLE, OAuthError
from ostiary.proto.oauth2.parameters import Parameters, read_parameters
from ostiary.providers.oauth2.authorize.request_parameters import signed_request, unsigned
from ostiary.providers.oauth2.authorize.validation import require_allowed_redirect, require_allowed_request, scope_of
from ostiary.providers.oauth2.client_authentication.authentication import authenticate
from ostiary.providers.oauth2.client_authentication.dpop import offer_nonce, proven_key
from ostiary.providers.oauth2.json_responses import allow_origin, error_json, read_form_parameters, token_json, too_many
from ostiary.providers.oauth2.refusals import report_refusal
from ostiary.store.hashing import new_token, token_hash
from ostiary.web.addresses import address_key

if TYPE_CHECKING:
    from ostiary.providers.oauth2.provider.client import Client
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.store.database import Batch
    from ostiary.web.request import Request
    from ostiary.web.response import Response

_SECOND: Final = 1_000_000


async def push(request: Request, services: OAuth2Services) -> Response:
    """Keep a request of a client that proved to be one (2.1); answer its name (2.2) or an error (2.3)."""
    client: Client | None = None
    try:
        form = await read_form_parameters(request)
        client = await authenticate(request, form, services)
        pushed = _validated(client, request, form, jkt=await proven_key(request, services), now=services.clock())
    except OAuthError as error:
        await report_refusal(request, services, error, client=client)
        return offer_nonce(request, allow_origin(request, error_json(request, error), client), services)
    handle = new_token()
    over = await _keep(services, token_hash(handle), pushed, counted=_counted(request, client))
    if over is not None:
        refusal = OAuthError(TEMPORARILY_UNAVAILABLE, "too many pushed requests of public clients from this address")
        await report_refusal(request, services, refusal, client=client)
        return allow_origin(request, too_many(request, refusal, until=over, now=services.clock()), client)
    answer = token_json({"request_uri": PREFIX + handle, "expires_in": LIFETIME}, 201)
    return offer_nonce(request, allow_origin(request, answer, client), services)


def _counted(request: Request, client: Client) -> str | None:
    """Return the counter of a client that proves nothing; None for one that proved to be itself."""
    return f"push:{address_key(request.client)}" if client.public else None


async def _keep(services: OAuth2Services, handle_hash: bytes, pushed: Pushed, *, counted: str | None) -> int | None:
    """Store a request; return when it could be stored, microseconds UTC, if there are too many now. One round trip."""
    rate, now = services.options.push_rate, services.clock()

    def batch() -> Batch[int | None]:
        if counted is not None:
            count, until = yield from hit_until(counted, window=rate.window, now=now)
            # guard: A69 pushed requests of public clients are limited per address
            if count > rate.most:
                return until
        yield insert_pushed(handle_hash, pushed)
        return None

    return await services.database.write(batch)


def _validated(client: Client, request: Request, form: Parameters, *, jkt: str | None, now: int) -> Pushed:
    """Return the pushed request of a form that is valid now. Raises OAuthError."""
    pairs, token = pushed_pairs(form), form.get("request")
    if token is not None:
        signed = signed_request(client, request, token, now=now)
        if signed.expires is not None and signed.expires <= now:
            raise OAuthError(INVALID_REQUEST_OBJECT, "expired")
        pairs = pushed_pairs(signed.parameters)
    elif client.provider.require_signed_request_object:
        raise unsigned()
    parameters = read_parameters(pairs)
    require_allowed_redirect(client, parameters.get("redirect_uri"))
    wanted = parse_request(parameters)
    require_allowed_request(client, wanted)
    scope_of(client, wanted)
    if jkt is not None and wanted.dpop_jkt not in {None, jkt}:  # RFC 9449 10.1
        raise OAuthError(INVALID_DPOP_PROOF, "dpop_jkt is of another key than the proof")
    return Pushed(
        provider=client.pk,
        pairs=pairs,
        begins_before=now + LIFETIME * _SECOND,
        signed=token is not None,
        dpop_jkt=jkt,
    )
