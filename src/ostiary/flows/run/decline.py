"""Declining: how a plan ends when the user declines.

The caller of `FlowEngine.begin` sets it in the plan context: `DECLINED_URL` is one of our paths to redirect to, and
`DECLINED_STAGE` is an internal stage that replaces all remaining ones. Without either the flow ends with a page. The
completion is another one than that of a passed flow (see `declined_proof`).
"""

from __future__ import annotations

from typing import Final

from ostiary.flows.next_url import is_relative
from ostiary.flows.plans.plan import Plan, PlanStep

DECLINED_URL: Final = "declined_url"
DECLINED_STAGE: Final = "declined_stage"
MESSAGE: Final = "You did not allow it."


def declined_proof(completion: str) -> str:
    """Return the completion key that a flow with key `completion` leaves when the user declines."""
    # guard: A30 a declined completion differs from an accepted one
    return f"{completion}:declined"


def declined(plan: Plan) -> Plan | None:
    """Return the plan after the decline; None if the plan context has no URL or stage for it."""
    url, stage = plan.context.get(DECLINED_URL), plan.context.get(DECLINED_STAGE)
    context = dict(plan.context)
    if isinstance(url, str) and is_relative(url):
        context["redirect"] = url
    elif not isinstance(stage, str):
        return None
    return plan.to(
        steps=(PlanStep(stage),) if isinstance(stage, str) else (),
        context=context,
        scratch={},
        errors={},
        shown=False,
        passed=plan.passed + 1,
        append=(),
        completion=None if plan.completion is None else declined_proof(plan.completion),
    )
