"""What one request changes about a flow: noted while it goes on, committed in one batch at its end.

The plan is stored once a request, guarded by its version, together with everything the stages that passed want
written. A crash leaves either all of it or nothing; of two tabs that answer the same stage, one is heard.
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
    """The plan and the session of one request, and the statements that are still to be committed."""

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
        """`pending` is what was left to be committed together with this; its own proof is used up by that."""
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
        """Go on with a plan that was read from the database."""
        self.plan, self.stored = plan, True

    def keep(self, plan: Plan, statements: Iterable[Statement] = ()) -> None:
        """Have the plan stored as it is now."""
        self._statements.extend(statements)
        self.plan, self._changed = plan, True

    def replace(self, plan: Plan) -> None:
        """Have another plan stored in place of what the session has for the flow and its destination."""
        self.keep(plan)
        self.stored, self._replaces = False, True

    def switch(self, plan: Plan, statements: Iterable[Statement]) -> None:
        """Have the plan of another flow stored in place of this one, which ends without a proof."""
        self._statements.extend(statements)
        if self.stored:
            self._statements.append(finish_plan(self.session.key, self.plan))
        elif self._replaces:
            self._statements.append(self._dropped())
        self.replace(plan)

    def again(self, plan: Plan) -> None:
        """Have that plan stored and nothing else of what was noted, as if nothing had been looked at."""
        self._statements = list(self._initial.statements)
        self._pending_session, self._completion = self._initial.pending_session, None
        self.session = self._initial.session
        self.replace(plan)

    def add(self, statements: Iterable[Statement]) -> None:
        """Have statements committed, whatever becomes of the plan."""
        self._statements.extend(statements)

    def drop(self) -> None:
        """Have the plan forgotten."""
        self._statements.append(self._dropped())
        self._changed = False

    def leave(self, completion: str | None) -> None:
        """Have that proof left, if any, for whoever asks for it."""
        self._completion = completion

    def _dropped(self) -> Statement:
        return drop(self.session.key, self.plan.slug, self.plan.destination)

    def finish(self) -> None:
        """Have a plan removed that came to its end; its proof is left when somebody waits for it."""
        if self.stored:
            self._statements.append(finish_plan(self.session.key, self.plan))
        elif self._replaces:
            self._statements.append(self._dropped())
        self._changed = False
        self._completion = self.plan.completion

    def sign_in(self, plan: Plan, proof: SignIn, statements: Iterable[Statement]) -> None:
        """Have the session become that person's, under a new id. The browser hears of it after the commit."""
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
        """Commit what was noted. Raises PlanChanged and SessionGone; then nothing of it was written."""
        pending = self.pending()
        await settle(self._services, self._request, pending, now=self._now)
        if self._changed and self.stored:
            self.plan = self.plan.to(version=self.plan.version + 1)
        self.stored = self.stored or self._changed
        self._statements.clear()
        self._initial = PendingCommit(self.session, ())
        self._changed = self._replaces = False
        self._completion = self._pending_session = None

    def pending(self) -> PendingCommit:
        """Return what was noted, for somebody else to commit."""
        statements = self._statements
        if self._changed:
            plans = self._services.plans
            stored = (
                plans.save(self.plan, now=self._now)
                if self.stored
                else plans.put(self.session.key, self.plan, now=self._now)
            )
            # A plan that comes with the session, or after another one, adds none to those that are there.
            added = not self.stored and self._pending_session is None and not self._initial.statements
            statements = [*statements, *([drop_oldest(self.session.key)] if added else ()), stored]
        return PendingCommit(self.session, tuple(statements), self._completion, self._pending_session)


async def settle(services: Services, request: Request, pending: PendingCommit, *, now: int) -> None:
    """Commit the end of a flow that nobody took up, and leave its proof. Raises PlanChanged, SessionGone."""
    statements = list(pending.statements)
    if pending.completion is not None:
        statements.append(services.plans.proof(pending.session.key, pending.completion, now=now))
    if statements:
        await services.database.write(lambda: run_all(statements))
    if pending.pending_session is not None:
        services.sessions.committed(request, pending.pending_session)
