"""The required sign-in: the signed-in user, or a redirect to the authentication flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.flows.people.subject_cache import subject_of
from ostiary.flows.plans.flow_start import ANOTHER_URL, FlowStart
from ostiary.flows.plans.pending_commit import pending_from
from ostiary.signon.access import application_context
from ostiary.signon.context import ANOTHER, SIGN_IN, CannotContinue, SignOnContext
from ostiary.signon.flow_choice import authentication_flow, require_authentication_flow
from ostiary.signon.interaction import Interaction, prolong_request
from ostiary.web.response import Response, redirect

if TYPE_CHECKING:
    from ostiary.applications.resources import Application
    from ostiary.directory.user import Subject
    from ostiary.directory.users import Users
    from ostiary.flows.resources import Flow
    from ostiary.sessions.session import Session
    from ostiary.signon.services import SignOnServices
    from ostiary.web.request import Request


async def require_person(context: SignOnContext) -> Response | None:
    """Find the signed-in user. Return a redirect to the sign-in when there is none or another account is wanted."""
    if await find_person(context) and context.returning_from != ANOTHER:
        return None
    return (await begin_sign_in(context)).redirect(context.request)


async def find_person(context: SignOnContext) -> bool:
    """Find session and user of the request. Return False when no active user is signed in."""
    services, request, pending = context.services, context.request, context.pending
    context.session = pending.session if pending is not None else await services.sessions.read(request, context.now)
    if context.session is not None and context.session.user is not None:
        context.known_subject = active(await subject_of(services.users, request, context.session.user))
    return context.known_subject is not None


async def person_of(users: Users, session: Session) -> Subject | None:
    """Read the user of a session. Return None when no active user is signed in."""
    return None if session.user is None else active(await users.subject(session.user))


def active(subject: Subject | None) -> Subject | None:
    """Return the user, if active."""
    return subject if subject is not None and subject.user.is_active else None


async def begin_sign_in(context: SignOnContext) -> Interaction:
    """Start the authentication flow of the provider, else of the brand. Raises HttpError 404, CannotContinue."""
    if context.pending is not None:
        raise CannotContinue
    services, request, now = context.services, context.request, context.now
    flow = require_authentication_flow(context.snapshot, request.host, context.own_authentication_flow)
    start = _flow_start(context)
    session, pending = await services.sessions.read(request, now), None
    if session is not None and session.user is not None and flow.authentication == "require_unauthenticated":
        # The flow requires that nobody is signed in, and the present sign-in is not sufficient: it ends.
        await services.sessions.end(request, session, now=now)
        session = None
    if session is None:
        pending = pending_from(services.sessions.new_anonymous(request, now))
        session = pending.session
    await prolong_request(context)
    await services.handover.start(request, session, flow, start, pending=pending, now=now)
    return Interaction(flow, start.next_url)


async def sign_in_another(
    request: Request,
    services: SignOnServices,
    session: Session,
    application: Application,
    *,
    back: str,
    another: str,
    now: int,
) -> Response:
    """Start a sign-in as another user, after an application denied access. Whoever cancels it stays signed in.

    `back` is the return path, and `another` our path for yet another account. Raises HttpError 404.
    """
    flow = require_authentication_flow(services.plane.snapshot, request.host)
    plan_context = {"application": application_context(application), ANOTHER_URL: another}
    to = await services.engine.begin(request, session, flow, context=plan_context, next_url=back, now=now)
    return redirect(to)


def sign_in_again(context: SignOnContext, flow: Flow) -> FlowStart | None:
    """Return the start of that flow for this request; None when the request would start another flow."""
    wanted = authentication_flow(context.snapshot, context.request.host, context.own_authentication_flow)
    # guard: A30 an expired pushed request starts no flow
    return _flow_start(context) if wanted is not None and wanted.pk == flow.pk and context.expired is None else None


def _flow_start(context: SignOnContext) -> FlowStart:
    plan_context: dict[str, object] = {ANOTHER_URL: context.return_url(ANOTHER)}
    if context.known_party is not None:
        plan_context["application"] = application_context(context.known_party.application)
    if context.login_hint and context.returning_from != ANOTHER:
        plan_context["pending_user_identifier"] = context.login_hint
    return FlowStart(plan_context, context.sign_in_proof(), context.return_url(SIGN_IN))
