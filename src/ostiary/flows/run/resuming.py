"""How a link by mail continues a flow: its plan in place of the one that asks, see `flows.links`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.flows.links.repository import IS_RESTORED, RESUME
from ostiary.flows.next_url import query_value
from ostiary.flows.plans.destination import FLOW_TOKEN, key_of_page
from ostiary.flows.plans.plan import Plan, PlanStep
from ostiary.flows.plans.repository import new_id, new_plan

if TYPE_CHECKING:
    from ostiary.flows.interface.stage_context import Resume
    from ostiary.flows.resources import Flow
    from ostiary.flows.run.position import Position
    from ostiary.sessions.session import Session


def first_plan(flow: Flow, session: Session, query: str) -> Plan:
    """Return the plan to begin a page with: not planned yet, but for the page of a link, which asks first."""
    plan = new_plan(flow.slug, key_of_page(query))
    if not query_value(query, FLOW_TOKEN):
        return plan
    return plan.to(planned=True, steps=(PlanStep(RESUME),), user=session.user)


def resumed(at: Position, verdict: Resume) -> Plan:
    """Return the plan of the link, for this browser and page.

    Nothing of this session gets into it, nor does anything of the one that asked for the link but what its stages found
    out: whoever waits there for the end of the flow (its completion key) does not hear of it.
    """
    link, user = verdict.link, verdict.user
    plan = link.plan.to(
        id=new_id(),
        slug=at.flow.slug,
        destination=at.plan.destination,
        version=0,
        context={**link.plan.context, IS_RESTORED: {"user": link.user}},
        completion=None,
        append=(),
        user=at.session.user,
        proof=None,
    )
    return plan.proven(user) if user is not None and user.is_active else plan
