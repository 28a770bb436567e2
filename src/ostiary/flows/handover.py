"""The handover of uncommitted flow ends between flows and sign-on. Only for these two rooms.

The protocol responds at the end of a flow, and both are committed in one batch. If a flow needs no response from the
user, the protocol continues at once, with the end of the flow in its own batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.flows.run.flow_commit import commit_end
from ostiary.flows.run.outcome import Passed

if TYPE_CHECKING:
    from ostiary.flows.plans.flow_start import FlowStart
    from ostiary.flows.plans.pending_commit import PendingCommit
    from ostiary.flows.resources import Flow
    from ostiary.flows.run.dispatcher_factory import DispatcherFactory
    from ostiary.sessions.session import Session
    from ostiary.web.request import Request


class Handover:
    """Starts flows for sign-on, together with uncommitted changes.

    `pending` is committed with the new plan: the end of another flow, or a new session. Each method raises PlanChanged
    and SessionGone when a concurrent request was first.
    """

    def __init__(self, runs: DispatcherFactory) -> None:
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
        """Start a flow and advance it to its first challenge, in one batch.

        The page at `destination.page_address` shows the challenge. Returns its component, "" if not known yet.
        """
        plan = start.plan(session, flow)
        run = self._runs.dispatcher(request, session, flow, plan=plan, pending=pending, now=now)
        outcome = await run.start(defer_end=False)
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
        """Start a flow as `start` does. If it ends without a challenge, return its end for the caller to commit."""
        plan = start.plan(session, flow)
        run = self._runs.dispatcher(request, session, flow, plan=plan, pending=pending, now=now)
        outcome = await run.start(defer_end=True)
        if run.pending_end is not None:
            return run.pending_end
        return outcome.component if isinstance(outcome, Passed) else ""

    async def commit(self, request: Request, pending: PendingCommit, *, now: int) -> None:
        """Commit the end of a flow, and store its completion for `FlowEngine.completed`."""
        await commit_end(self._runs.services, request, pending, now=now)
