"""The commit of a flow: the changes of one request, collected and then committed in one batch.

The plan is stored once per request, guarded by its version, together with the writes of the stages that passed. After a
crash either all or nothing is stored. Of two concurrent responses to a stage, one is accepted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ostiary.flows.plans.pending_commit import PendingCommit
from ostiary.flows.plans.repository import drop, drop_oldest, finish_plan
from ostiary.sessions.sessions import SessionLogin as Proof
from ostiary.store.workspace.commit import run as run_all

if TYPE_CHECKING:
    from ostiary.flows.interface.stage_context import SignIn
    from ostiary.flows.plans.plan import Plan
    from ostiary.flows.services import Services
    from ostiary.sessions.session import Session
    from ostiary.store.database import Statement
    from ostiary.web.request import Request


class FlowCommit:
    """The plan and the session of one request, and its uncommitted statements."""

    def __init__(
        self,
        services: Services,
        request: Request,
        session: Session,
        plan: Plan,
        *,
        now: int,
        pending: PendingCommit | None,
    ) -> None:
        """`pending` is committed together with this flow. Its completion counts as consumed."""
        self._services = services
        self._request = request
        self._now = now
        self._initial = PendingCommit(session, ()) if pending is None else pending
        self._pending_session = self._initial.pending_session
        self._statements = list(self._initial.statements)
        self._changed = False
        self._replaces = False
        self._completion: str | None = None
        self.session = session
        self.plan = plan
        self.stored = False

    def read(self, plan: Plan) -> None:
        """Use a plan that was read from the database."""
        self.plan, self.stored = plan, True

    def keep(self, plan: Plan, statements: Iterable[Statement] = ()) -> None:
        """Store this plan at the commit."""
        self._statements.extend(statements)
        self.plan, self._changed = plan, True

    def replace(self, plan: Plan) -> None:
        """Store another plan at the commit. It replaces that of the session for the flow and destination."""
        self.keep(plan)
        self.stored, self._replaces = False, True

    def switch(self, plan: Plan, statements: Iterable[Statement]) -> None:
        """Store the plan of another flow at the commit. The present plan ends without a completion."""
        self._statements.extend(statements)
        if self.stored:
            self._statements.append(finish_plan(self.session.key, self.plan))
        elif self._replaces:
            self._statements.append(self._dropped())
        self.replace(plan)

    def revert_to(self, plan: Plan) -> None:
        """Discard all collected changes, and store only this plan."""
        self._statements = list(self._initial.statements)
        self._pending_session, self._completion = self._initial.pending_session, None
        self.session = self._initial.session
        self.replace(plan)

    def add(self, statements: Iterable[Statement]) -> None:
        """Add statements to the commit, independent of the plan."""
        self._statements.extend(statements)

    def drop(self) -> None:
        """Delete the plan at the commit."""
        self._statements.append(self._dropped())
        self._changed = False

    def leave_proof(self, completion: str | None) -> None:
        """Store that completion, if any, at the commit."""
        self._completion = completion

    def _dropped(self) -> Statement:
        return drop(self.session.key, self.plan.slug, self.plan.destination)

    def finish(self) -> None:
        """Delete the finished plan at the commit, and store its completion, if it has a key."""
        if self.stored:
            self._statements.append(finish_plan(self.session.key, self.plan))
        elif self._replaces:
            self._statements.append(self._dropped())
        self._changed = False
        self._completion = self.plan.completion

    def sign_in(self, plan: Plan, proof: SignIn, statements: Iterable[Statement]) -> None:
        """Sign the user in to the session, under a new id. The cookie is set after the commit."""
        self._pending_session = self._services.sessions.prepare_sign_in(
            self._request,
            self.session,
            Proof(
                user=proof.user.pk,
                who=proof.user.who,
                auth_method=proof.method,
                auth_args=proof.arguments,
                amr=proof.amr,
                duration=proof.duration,
                remember=proof.remember,
            ),
            now=self._now,
        )
        self._statements.extend(self._pending_session.statements)
        self.session = self._pending_session.session
        self.keep(plan.to(user=proof.user.pk), statements)

    async def commit(self) -> None:
        """Commit the collected changes. Raises PlanChanged and SessionGone; then nothing was written."""
        pending = self.pending()
        await commit_end(self._services, self._request, pending, now=self._now)
        if self._changed and self.stored:
            self.plan = self.plan.to(version=self.plan.version + 1)
        self.stored = self.stored or self._changed
        self._statements.clear()
        self._initial = PendingCommit(self.session, ())
        self._changed = self._replaces = False
        self._completion = self._pending_session = None

    def pending(self) -> PendingCommit:
        """Return the collected changes, for another room to commit."""
        statements = self._statements
        if self._changed:
            plans = self._services.plans
            stored = (
                plans.save(self.plan, now=self._now)
                if self.stored
                else plans.put(self.session.key, self.plan, now=self._now)
            )
            # A plan of a new session, or one that follows another plan, does not add to the number of plans.
            added = not self.stored and self._pending_session is None and not self._initial.statements
            statements = [*statements, *([drop_oldest(self.session.key)] if added else ()), stored]
        return PendingCommit(self.session, tuple(statements), self._completion, self._pending_session)


async def commit_end(services: Services, request: Request, pending: PendingCommit, *, now: int) -> None:
    """Commit the end of a flow, and store its completion. Raises PlanChanged, SessionGone."""
    statements = list(pending.statements)
    if pending.completion is not None:
        statements.append(services.plans.proof(pending.session.key, pending.completion, now=now))
    if statements:
        await services.database.write(lambda: run_all(statements))
    if pending.pending_session is not None:
        services.sessions.committed(request, pending.pending_session)
