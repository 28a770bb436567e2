"""Switching a plan to another flow, for a stage such as authentik's redirect stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.flows.next_url import query_value
from ostiary.flows.plans.destination import page_address
from ostiary.flows.plans.plan import Plan
from ostiary.flows.plans.repository import new_plan
from ostiary.flows.resources import Flow

if TYPE_CHECKING:
    from ostiary.flows.interface.stage_context import Switch
    from ostiary.flows.run.run_state import RunState

MAX_SWITCHES: Final = 8
"""The maximum number of switches of one plan. Two flows that redirect to each other end with a denial."""
NOWHERE: Final = "This step leads to a flow that does not exist. Tell whoever runs this service."
IS_REDIRECTED: Final = "is_redirected"
"""Key of the plan context: the plan was switched to this flow. Flows with `require_redirect` require it."""


def target_flow(state: RunState, verdict: Switch) -> Flow | None:
    """Return the flow to switch to; None if it does not exist, or the plan has switched too often."""
    return state.snapshot.get(Flow, verdict.flow) if state.plan.switches < MAX_SWITCHES else None


def switched(plan: Plan, flow: Flow, *, user: int | None, keep_context: bool) -> Plan:
    """Return a plan of that flow, not planned yet, with the same destination.

    It keeps the completion key, the appended stages, and the initial context of the former plan. With `keep_context` it
    also keeps the present context and the proof.
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


def address_of(state: RunState, flow: Flow) -> str:
    """Return the path of the other flow's page, with the destination that identifies the plan."""
    following = query_value(state.query, "next") or state.plan.next_url
    return page_address(state.request.prefix, flow.slug, following, display=query_value(state.query, "display") or "")
