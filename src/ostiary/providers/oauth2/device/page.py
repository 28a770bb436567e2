"""/device: where a person enters the code a device shows them (RFC 8628 3.3), and what comes before the device gets in.

Sign in, the brand's flow with the code at its end, the application's policies, the provider's authorization flow. The
person is always asked at the end, with the application's name, even where its flow asks nothing or a consent is
remembered: a code may have been sent to them by somebody who wants to be let in (RFC 8628 5.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from ostiary.flows.plans.beginning import ANOTHER_URL
from ostiary.flows.run.decline import DECLINED_STAGE
from ostiary.grants.device import DeviceGrant, deny_device, find_claimed
from ostiary.proto.oauth2.device import read_user_code
from ostiary.providers.oauth2.device.endpoint import PAGE, device_flow
from ostiary.providers.oauth2.device.stages import APPROVE, CODE, CONSENT, DECLINED, FINISH
from ostiary.providers.oauth2.provider.client import Client, client_by_provider
from ostiary.providers.oauth2.provider.fields import DEVICE_CODE
from ostiary.providers.oauth2.refusals import tell
from ostiary.signon.access import find_refusal
from ostiary.signon.flow_choice import (
    application_context,
    consent_stage_of,
    require_authentication_flow,
    require_authorization_flow,
)
from ostiary.signon.person import person_of
from ostiary.store.hashing import token_hash
from ostiary.web.errors import HttpError, NotFound
from ostiary.web.response import Response, redirect

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.providers.oauth2.services import Services
    from ostiary.sessions.session import Session
    from ostiary.web.request import Request

AUTHORIZE: Final = "/device/authorize/"
_SIGN_OUT: Final = "/flows/-/default/invalidation/"


async def device_page(request: Request, services: Services) -> Response:
    """GET /device: sign in if need be, then the flow that asks for the code. 404 unless the brand has such a flow."""
    snapshot, now = services.plane.snapshot, services.clock()
    flow = device_flow(snapshot, request.host)
    if flow is None:
        error = NotFound("no_device_flow", "Signing in devices is not set up for this address.")
        await tell(request, services, error)
        raise error
    code = read_user_code(request.query_one("code")) or ""
    session = await services.sessions.ensure(request, now)
    if await person_of(services.users, session) is None:
        return await _sign_in(request, services, session, code)
    to = await services.engine.begin(
        request,
        session,
        flow,
        context={"device_code": code},
        next_url=_own_address(request, code),
        append=(CODE,),
        now=now,
    )
    return redirect(to)


async def device_authorize(request: Request, services: Services) -> Response:
    """GET /device/authorize/: policies and the authorization flow, for a code entered in this session."""
    snapshot, now = services.plane.snapshot, services.clock()
    session = await services.sessions.ensure(request, now)
    subject = await person_of(services.users, session)
    code = read_user_code(request.query_one("code"))
    if subject is None or code is None:
        return redirect(f"{request.prefix}{PAGE}")
    item = await find_claimed(services.database, token_hash(code), session.key, now=now)
    client = None if item is None else client_by_provider(snapshot, item.provider)
    if item is None or client is None:
        error = HttpError(400, "invalid_device_code", "This code is not valid any more. Please start again.")
        await tell(request, services, error, user=subject.user.who)
        raise error
    await _require_access(request, services, item=item, client=client, subject=subject)
    flow = require_authorization_flow(snapshot, client.provider.authorization_flow)
    consent = () if consent_stage_of(flow, snapshot, always=True) is not None else (CONSENT,)
    to = await services.engine.begin(
        request,
        session,
        flow,
        context={
            **_context(client, item),
            "redirect": f"{request.prefix}/",
            ANOTHER_URL: f"{request.prefix}{_SIGN_OUT}",  # the code belongs to this session
        },
        next_url=f"{request.prefix}{AUTHORIZE}?code={quote(code, safe='')}",
        append=(*consent, APPROVE, FINISH),
        now=now,
    )
    return redirect(to)


async def _require_access(
    request: Request, services: Services, *, item: DeviceGrant, client: Client, subject: Subject
) -> None:
    """Ask the application's policies (A13); the device of somebody who is refused is told so. Raises HttpError."""
    facts = {"oauth_scopes": list(item.scope), "oauth_grant_type": DEVICE_CODE}
    refusal = await find_refusal(
        request,
        services,
        subject=subject,
        application=client.application,
        snapshot=services.plane.snapshot,
        facts=facts,
        now=services.clock(),
        another=f"{request.prefix}{_SIGN_OUT}",  # this code is lost: the other person begins with a new one
        if_refused=(deny_device(item),),
    )
    # guard: A13 the policies decide when the code is entered
    if refusal is not None:
        await tell(request, services, refusal, client=client, user=subject.user.who)
        raise refusal


async def _sign_in(request: Request, services: Services, session: Session, code: str) -> Response:
    flow = require_authentication_flow(services.plane.snapshot, request.host)
    back, now = _own_address(request, code), services.clock()
    return redirect(await services.engine.begin(request, session, flow, context={}, next_url=back, now=now))


def _own_address(request: Request, code: str) -> str:
    return f"{request.prefix}{PAGE}" + (f"?code={quote(code, safe='')}" if code else "")


def _context(client: Client, item: DeviceGrant) -> Mapping[str, object]:
    described = client.claim_set.described(item.scope)
    return {
        "is_sso": True,
        "application": application_context(client.application),
        "consent_header": f"{client.application.name} wants to sign you in on another device.",
        "consent_permissions": [{"id": one.scope_name, "name": one.description} for one in described],
        "consent_always": True,
        DECLINED_STAGE: DECLINED,
        "device_grant": item.user_hash.hex(),
    }
