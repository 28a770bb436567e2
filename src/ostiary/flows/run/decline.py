"""What becomes of a plan whose person says no: it ends where the one who began it wants to hear of that.

The caller of `FlowEngine.begin` names it in the plan context: `DECLINED_URL`, a path of ours, and `DECLINED_STAGE`, an
own stage that is taken in place of all that would have come. Without either the flow ends with a page. The proof that
is left is another one than that of a flow that was passed (see `declined_proof`).
"""

from __future__ import annotations

from typing import Final

from ostiary.flows.next_url import is_relative
from ostiary.flows.plans.plan import Plan, PlanStep

DECLINED_URL: Final = "declined_url"
DECLINED_STAGE: Final = "declined_stage"
MESSAGE: Final = "You did not allow it."


def declined_proof(completion: str) -> str:
    """Return the completion key that a flow begun with `completion` leaves when its person said no."""
    # guard: A30 a declined completion differs from an accepted one
    return f"{completion}:declined"


def declined(plan: Plan) -> Plan | None:
    """Return the plan as it goes on after a no; None when nobody waits to hear of it."""
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
