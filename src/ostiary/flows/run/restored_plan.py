"""Restored plans: a link by mail continues its own plan, in place of the current one (see `flows.links`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.flows.links.repository import IS_RESTORED, RESUME
from ostiary.flows.next_url import query_value
from ostiary.flows.plans.destination import FLOW_TOKEN, page_key
from ostiary.flows.plans.plan import Plan, PlanStep
from ostiary.flows.plans.repository import new_id, new_plan

if TYPE_CHECKING:
    from ostiary.flows.interface.stage_context import Resume
    from ostiary.flows.resources import Flow
    from ostiary.flows.run.run_state import RunState
    from ostiary.sessions.session import Session


def first_plan(flow: Flow, session: Session, query: str) -> Plan:
    """Return the initial plan of a page: not planned yet, or the confirmation step on the page of a link."""
    plan = new_plan(flow.slug, page_key(query))
    if not query_value(query, FLOW_TOKEN):
        return plan
    return plan.to(planned=True, steps=(PlanStep(RESUME),), user=session.user)


def resumed(state: RunState, verdict: Resume) -> Plan:
    """Return the plan of the link, for this browser and page.

    It takes nothing from this session. From the session that requested the link it takes only the plan context, so the
    completion key of that session is not proven by it.
    """
    link, user = verdict.link, verdict.user
    plan = link.plan.to(
        id=new_id(),
        slug=state.flow.slug,
        destination=state.plan.destination,
        version=0,
        context={**link.plan.context, IS_RESTORED: {"user": link.user}},
        completion=None,
        append=(),
        user=state.session.user,
        proof=None,
    )
    return plan.proven(user) if user is not None and user.is_active else plan
