"""The logout part of a plan: whether the session ends, and the front-channel logout URLs.

The start of the flow sets `END`: True ends the session when the other stages have passed; `ASK` asks the user first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ostiary.flows.plans.plan import Plan, PlanStep

if TYPE_CHECKING:
    from ostiary.flows.resources import Flow

END: Final = "end_session"
ASK: Final = "ask"
URLS: Final = "logout_urls"

END_SESSION: Final = "flows.logout.end_session"
FRONTCHANNEL: Final = "flows.logout.frontchannel"
SESSION_ENDED: Final = "flows.logout.session_ended"
"""Names of internal stages, see `logout.stages`."""


def logout_steps(flow: Flow, context: Mapping[str, object]) -> Sequence[PlanStep]:
    """Return the steps after the configured stages of a logout flow."""
    if flow.designation == "invalidation":
        return (PlanStep(END_SESSION), PlanStep(FRONTCHANNEL), PlanStep(SESSION_ENDED))
    return (PlanStep(END_SESSION),) if END in context else ()


def with_frontchannel_urls(plan: Plan, urls: Sequence[Mapping[str, object]]) -> Plan:
    """Return the plan of a session that has just ended, with its front-channel logout URLs (`URLS`)."""
    if not urls:
        return plan
    steps = plan.steps
    if all(step.stage != FRONTCHANNEL for step in steps):
        steps = (*steps, PlanStep(FRONTCHANNEL))
    return plan.to(context={**plan.context, URLS: [dict(one) for one in urls]}, steps=steps)


def frontchannel_urls(context: Mapping[str, object]) -> list[dict[str, object]]:
    """Return the front-channel logout URLs that the browser must load."""
    urls = context.get(URLS)
    return [dict(one) for one in urls if isinstance(one, Mapping)] if isinstance(urls, Sequence) else []
