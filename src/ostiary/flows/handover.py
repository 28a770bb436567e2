"""The handover between flows and sign-on: an end that is not committed yet goes from one to the other. For both alone.

A flow that ends is answered by the protocol it was begun for, and both are one batch. A protocol whose flow asks
nothing goes on at once, with the end of that flow in its own batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.flows.run.flow_commit import settle
from ostiary.flows.run.outcome import Passed

if TYPE_CHECKING:
    from ostiary.flows.plans.flow_start import FlowStart
    from ostiary.flows.plans.pending_commit import PendingCommit
    from ostiary.flows.resources import Flow
    from ostiary.flows.run.runs import Runs
    from ostiary.sessions.session import Session
    from ostiary.web.request import Request


class Handover:
    """Begins flows for sign-on, together with what is not committed yet.

    `pending` is committed with the beginning: the end of another flow, or the beginning of the session. Each verb
    raises PlanChanged and SessionGone when somebody else was first.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def start(
        self,
        request: Request,
        session: Session,
        flow: Flow,
        start: FlowStart,
        *,
        pending: PendingCommit | None = None,
        now: int,
    ) -> str:
        """Begin a flow and take it as far as it goes without an answer, in one batch.

        The page at `destination.page_address` shows what is asked. Return the component of that challenge, "" when it
        is not known yet.
        """
        plan = start.plan(session, flow)
        run = self._runs.dispatcher(request, session, flow, plan=plan, pending=pending, now=now)
        outcome = await run.start(hold=False)
        return outcome.component if isinstance(outcome, Passed) else ""

    async def pass_through(
        self,
        request: Request,
        session: Session,
        flow: Flow,
        start: FlowStart,
        *,
        pending: PendingCommit | None = None,
        now: int,
    ) -> PendingCommit | str:
        """Begin a flow as `start` does, but leave to the caller the end of one that asks nothing."""
        plan = start.plan(session, flow)
        run = self._runs.dispatcher(request, session, flow, plan=plan, pending=pending, now=now)
        outcome = await run.start(hold=True)
        if run.left is not None:
            return run.left
        return outcome.component if isinstance(outcome, Passed) else ""

    async def commit(self, request: Request, pending: PendingCommit, *, now: int) -> None:
        """Commit an end that nobody takes up; `FlowEngine.completed` answers for it."""
        await settle(self._runs.services, request, pending, now=now)
