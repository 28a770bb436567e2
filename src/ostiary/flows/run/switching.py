"""How a plan goes on in another flow, as a stage wants it (authentik's redirect stage)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.flows.next_url import query_value
from ostiary.flows.plans.destination import page_address
from ostiary.flows.plans.plan import Plan
from ostiary.flows.plans.repository import new_plan
from ostiary.flows.resources import Flow

if TYPE_CHECKING:
    from ostiary.flows.interface.stage_context import Switch
    from ostiary.flows.run.position import Position

SWITCHES_MOST: Final = 8
"""Flows one plan may go through: two that lead to each other end with a refusal."""
NOWHERE: Final = "This step leads to a flow that does not exist. Tell whoever runs this service."
IS_REDIRECTED: Final = "is_redirected"
"""In the plan context: another flow led here. Flows with `require_redirect` apply to nobody else."""


def target_flow(at: Position, verdict: Switch) -> Flow | None:
    """Return the flow to go on in; None where there is none, or the plan went through too many."""
    return at.snapshot.get(Flow, verdict.flow) if at.plan.switches < SWITCHES_MOST else None


def switched(plan: Plan, flow: Flow, *, user: int | None, keep_context: bool) -> Plan:
    """Return the plan of that flow, not planned yet. It leads where the former one led.

    What the former flow was begun for stays: its destination, its completion key together with the stages that were
    put behind it, and the context it began with. What its stages left, and whom they proved, stays with `keep_context`.
    """
    origin = {**plan.origin, IS_REDIRECTED: True}
    return new_plan(flow.slug, plan.destination).to(
        # guard: A30 a switched flow takes over a proof only with its context
        context={**plan.context, IS_REDIRECTED: True} if keep_context else origin,
        proof=plan.proof if keep_context else None,
        origin=origin,
        next_url=plan.next_url,
        completion=plan.completion,
        append=plan.append,
        user=user,
        switches=plan.switches + 1,
    )


def address_of(at: Position, flow: Flow) -> str:
    """Return the path of the other flow's page, under which it finds its plan."""
    following = query_value(at.query, "next") or at.plan.next_url
    return page_address(at.request.prefix, flow.slug, following, display=query_value(at.query, "display") or "")
