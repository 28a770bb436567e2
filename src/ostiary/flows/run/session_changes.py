"""What a verdict does to the session: make it somebody's, or end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.flows.people.subjects import forget
from ostiary.flows.plans.logout import with_frontchannel_urls
from ostiary.flows.proofs import mfa_cookie

if TYPE_CHECKING:
    from ostiary.flows.interface.stage_context import Done, SignIn
    from ostiary.flows.plans.plan import Plan
    from ostiary.flows.run.position import Position


async def sign_in(at: Position, plan: Plan, done: Done, login: SignIn) -> None:
    """Make the session that person's, under a new id, with the step forward."""
    at.commit.sign_in(plan, login, done.writes)
    if plan.steps or login.terminate_others:
        await at.commit.commit()  # the next stage looks for what moves with the session under its new id
    if login.terminate_others:
        forget(at.request)
        mfa_cookie.renew(at.request, at.services.cookie_key, before=login.user, after=done.proof)
        await at.services.sessions.end_all(login.user.pk, now=at.now, but=at.session.key)


async def sign_out(at: Position, plan: Plan, done: Done) -> None:
    """End the session; the rest of the flow goes on in a new one, which is nobody's."""
    sessions = at.services.sessions
    urls = await sessions.frontchannel_urls(at.session)
    await at.commit.commit()
    await sessions.end(at.request, at.session, now=at.now, extra=done.writes)
    at.commit.session = await sessions.ensure(at.request, at.now)
    at.commit.replace(with_frontchannel_urls(plan.to(user=None), urls))
    await at.commit.commit()
