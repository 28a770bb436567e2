"""/device: where a person enters the code a device shows them (RFC 8628 3.3), and what comes before the device gets in.

Sign in, the brand's flow with the code at its end, the application's policies, the provider's authorization flow. The
person is always asked at the end, with the application's name, even where its flow asks nothing or a consent is
remembered: a code may have been sent to them by somebody who wants to be let in (RFC 8628 5.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from ostiary.brands.select import select
from ostiary.flows.plans.beginning import ANOTHER_URL
from ostiary.flows.resources import Flow, FlowStageBinding
from ostiary.flows.run.decline import DECLINED_STAGE
from ostiary.flows.stages.consent import ConsentStage
from ostiary.grants.device import DeviceGrant, deny_device, find_claimed
from ostiary.policies.context import PolicyContext
from ostiary.policies.decide import decide_application, has_bindings
from ostiary.proto.oauth2.device import read_user_code
from ostiary.providers.oauth2.device.endpoint import PAGE, device_flow
from ostiary.providers.oauth2.device.stages import APPROVE, CODE, CONSENT, DECLINED, FINISH
from ostiary.providers.oauth2.provider.client import Client, client_by_provider
from ostiary.providers.oauth2.provider.fields import DEVICE_CODE
from ostiary.providers.oauth2.refusals import tell
from ostiary.store.hashing import token_hash
from ostiary.store.workspace.commit import write_all
from ostiary.web.errors import HttpError, NoAccess, NotFound
from ostiary.web.response import Response, redirect

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.providers.oauth2.services import Services
    from ostiary.sessions.session import Session
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.web.request import Request

AUTHORIZE: Final = "/device/authorize/"


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
    if await _person(services, session) is None:
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
    subject = await _person(services, session)
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
    flow = _flow(snapshot, client.provider.authorization_flow)
    if flow is None:
        raise HttpError(404, "no_authorization_flow", "The application's authorization flow does not exist.")
    consent = () if _asks(flow, snapshot) else (CONSENT,)
    to = await services.engine.begin(
        request,
        session,
        flow,
        context={
            **_context(client, item),
            "redirect": f"{request.prefix}/",
            ANOTHER_URL: f"{request.prefix}/flows/-/default/invalidation/",  # the code belongs to this session
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
    decision = await decide_application(
        subject=subject,
        application=client.application,
        snapshot=services.plane.snapshot,
        context=PolicyContext(now=services.clock(), client_ip=request.client, facts=facts),
    )
    refusal = () if decision.passing else (deny_device(item),)
    if decision.events or refusal:
        await write_all(services.database, [*decision.events, *refusal])
    # guard: A13 the policies decide when the code is entered
    if not decision.passing:
        message = " ".join(decision.messages) or "You have no access to this application."
        error = NoAccess(message, application=client.application.name, account=subject.user.username)
        await tell(request, services, error, client=client, user=subject.user.who)
        raise error


async def _sign_in(request: Request, services: Services, session: Session, code: str) -> Response:
    snapshot = services.plane.snapshot
    flow = _flow(snapshot, select(snapshot, request.host).flow_authentication)
    if flow is None:
        raise HttpError(404, "no_authentication_flow", "No way to sign in is set up for this address.")
    back, now = _own_address(request, code), services.clock()
    return redirect(await services.engine.begin(request, session, flow, context={}, next_url=back, now=now))


def _own_address(request: Request, code: str) -> str:
    return f"{request.prefix}{PAGE}" + (f"?code={quote(code, safe='')}" if code else "")


async def _person(services: Services, session: Session) -> Subject | None:
    subject = None if session.user is None else await services.users.subject(session.user)
    return subject if subject is not None and subject.user.is_active else None


def _asks(flow: Flow, snapshot: Snapshot) -> bool:
    """Tell whether a flow has a consent stage that no policy may leave out."""
    bindings = snapshot.referring(FlowStageBinding, "target", flow.pk)
    return any(
        snapshot.get(ConsentStage, binding.stage) is not None and not has_bindings(str(binding.pk), snapshot)
        for binding in bindings
    )


def _context(client: Client, item: DeviceGrant) -> Mapping[str, object]:
    application = client.application
    described = client.claim_set.described(item.scope)
    return {
        "is_sso": True,
        "application": {"pk": str(application.pk), "name": application.name, "slug": application.slug},
        "consent_header": f"{application.name} wants to sign you in on another device.",
        "consent_permissions": [{"id": one.scope_name, "name": one.description} for one in described],
        "consent_always": True,
        DECLINED_STAGE: DECLINED,
        "device_grant": item.user_hash.hex(),
    }


def _flow(snapshot: Snapshot, pk: str | None) -> Flow | None:
    return snapshot.get(Flow, pk) if pk is not None else None
