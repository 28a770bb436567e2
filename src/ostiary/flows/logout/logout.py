"""The end of a sign-out: whether the session ends with it, who is told through the browser, and what is asked before.

A plan's context says what whoever began it wants: `end_session` True ends the session when the flow has passed,
"ask" asks the person first. `logout_urls` are what the browser has to load; the page that does leads on with `LOADED`
in its query, headless clients answer the challenge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ostiary.flows.logout.iframes import PAGE
from ostiary.flows.run.challenge_frame import SESSION_END, SESSION_END_PAGE, flow_info, session_end_fields
from ostiary.flows.run.outcome import Challenge

if TYPE_CHECKING:
    from ostiary.flows.plans.plan import Plan
    from ostiary.flows.run.stage_context import StageContext
    from ostiary.sessions.session import Session

IFRAMES: Final = "ak-provider-iframe-logout"
END: Final = "end_session"
ASK: Final = "ask"
_URLS: Final = "logout_urls"


def signs_out(plan: Plan, session: Session) -> bool:
    """Tell whether the session is to end now."""
    return plan.context.get(END) is True and session.user is not None


def asks(plan: Plan, session: Session) -> bool:
    """Tell whether the person is to be asked whether to sign out here as well."""
    return plan.context.get(END) == ASK and session.user is not None


def is_waiting(plan: Plan) -> bool:
    """Tell whether an answer to one of the challenges of this module is waited for."""
    ours = plan.context.get(END) == ASK or bool(to_load(plan))
    return plan.planned and plan.shown and not plan.steps and ours


def answered(plan: Plan, answer: Mapping[str, object]) -> Plan:
    """Return the plan after that answer: the addresses are loaded, or the person has decided."""
    if to_load(plan):
        return _loaded(plan)
    wanted = answer.get("sign_out") in {True, "true"}
    return plan.to(context={**plan.context, END: wanted}, shown=False, passed=plan.passed + 1)


async def question(stage_context: StageContext, plan: Plan) -> Challenge:
    """Return the question."""
    fields = {**await session_end_fields(stage_context), "confirm": True}
    return Challenge(SESSION_END, fields, flow_info(stage_context), ticket=plan.ticket, page=SESSION_END_PAGE)


def remembered(plan: Plan, urls: Sequence[Mapping[str, object]]) -> Plan:
    """Return the plan of a session that has just ended, with what the browser has to load."""
    if not urls:
        return plan
    return plan.to(context={**plan.context, _URLS: [dict(one) for one in urls]})


def to_load(plan: Plan) -> list[Mapping[str, object]]:
    """Return what the browser still has to load."""
    found = plan.context.get(_URLS)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, Sequence) else []


def iframes(stage_context: StageContext, plan: Plan, urls: Sequence[Mapping[str, object]]) -> Challenge:
    """Return the page that loads the addresses."""
    fields = {_URLS: [dict(one) for one in urls]}
    return Challenge(IFRAMES, fields, flow_info(stage_context), ticket=plan.ticket, page=PAGE)


def _loaded(plan: Plan) -> Plan:
    context = {key: value for key, value in plan.context.items() if key != _URLS}
    return plan.to(context=context, shown=False, passed=plan.passed + 1)
