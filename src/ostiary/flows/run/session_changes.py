"""Session changes by a verdict: sign-in and sign-out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.flows.people.subject_cache import forget
from ostiary.flows.plans.logout import with_frontchannel_urls
from ostiary.flows.proofs import mfa_cookie

if TYPE_CHECKING:
    from ostiary.flows.interface.stage_context import Done, SignIn
    from ostiary.flows.plans.plan import Plan
    from ostiary.flows.run.run_state import RunState


async def sign_in(state: RunState, plan: Plan, done: Done, login: SignIn) -> None:
    """Sign the user in, with a new session id, and advance the plan."""
    state.commit.sign_in(plan, login, done.writes)
    if plan.steps or login.terminate_others:
        await state.commit.commit()  # the next stage needs the rows that move to the new session id
    if login.terminate_others:
        forget(state.request)
        mfa_cookie.renew(state.request, state.services.cookie_key, before=login.user, after=done.proof)
        await state.services.sessions.end_all(login.user.pk, now=state.now, but=state.session.key)


async def sign_out(state: RunState, plan: Plan, done: Done) -> None:
    """End the session. The flow continues in a new anonymous session."""
    sessions = state.services.sessions
    urls = await sessions.frontchannel_urls(state.session)
    await state.commit.commit()
    await sessions.end(state.request, state.session, now=state.now, extra=done.writes)
    state.commit.session = await sessions.ensure(state.request, state.now)
    state.commit.replace(with_frontchannel_urls(plan.to(user=None), urls))
    await state.commit.commit()
