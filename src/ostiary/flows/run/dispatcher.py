"""The dispatcher: the only place that advances a plan. Stages judge; what they answer is carried out here.

One `Dispatcher` is one request at one plan. A plan moves forward only together with the writes of the stages that
passed, in one batch guarded by the plan's version (`flow_commit`): of two tabs that answer one stage, one is heard.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from ostiary.flows.error_detail import ErrorDetail, Errors
from ostiary.flows.errors import PlanChanged
from ostiary.flows.interface.stage_context import (
    Ask,
    Behaviour,
    Declined,
    Done,
    Refused,
    Resume,
    StageContext,
    StageFailed,
    Switch,
    Verdict,
    Wrong,
)
from ostiary.flows.people.subjects import forget
from ostiary.flows.plans.destination import destination
from ostiary.flows.plans.flow_start import beside_proof
from ostiary.flows.plans.pending_commit import PendingCommit
from ostiary.flows.plans.repository import new_plan
from ostiary.flows.proofs.proof import PROOF_ENDED, renewed, still_proven, unproven
from ostiary.flows.run import decline, refusing, resuming, session_changes, switching
from ostiary.flows.run.challenge_frame import access_denied, challenge_of
from ostiary.flows.run.flow_commit import FlowCommit
from ostiary.flows.run.outcome import Moved, Outcome, Passed
from ostiary.flows.run.planner import UNDECIDED, Planned, Planner
from ostiary.flows.run.position import Extensions, Position
from ostiary.resource import codec
from ostiary.sessions.session import Session, SessionGone

if TYPE_CHECKING:
    from ostiary.flows.plans.plan import Plan
    from ostiary.flows.resources import Flow, Stage
    from ostiary.flows.services import Services
    from ostiary.store.database import Statement
    from ostiary.web.request import Request

STEPS_MOST: Final = 64  # stages that may pass in one request without an answer
CIRCLE: Final = "This flow leads in a circle."
log: Final = logging.getLogger("ostiary.flows")
_INVALID_NEXT: Final = "Invalid next URL"


class Dispatcher:
    """One request at one plan."""

    def __init__(
        self,
        services: Services,
        extensions: Extensions,
        *,
        request: Request,
        session: Session,
        flow: Flow,
        query: str,
        now: int,
        plan: Plan | None = None,
        pending: PendingCommit | None = None,
    ) -> None:
        """`plan` is one to begin with; `pending` is what was left to be committed together with it."""
        self._services = services
        self._planner = Planner(services, snapshot=services.plane.snapshot, request=request, now=now)
        first = resuming.first_plan(flow, session, query) if plan is None else plan
        self._commit = FlowCommit(services, request, session, first, now=now, pending=pending)
        self._at = Position(services, extensions, self._commit, request=request, flow=flow, query=query, now=now)
        self._later = False  # what there is to show will be shown by another request
        self.left: PendingCommit | None = None
        """The end of the flow, where it is left to the caller to commit."""

    async def load(self, *, latest: bool) -> Dispatcher:
        """Read the session's plan for where the page leads, or its latest; one of another person does not count."""
        at = self._at
        plans, key, slug = self._services.plans, at.session.key, at.flow.slug
        if latest:
            plan = await plans.latest(key, slug, now=at.now)
        else:
            plan = await plans.read(key, slug, at.plan.destination, now=at.now)
        if plan is not None and plan.user in {None, at.session.user}:
            self._commit.read(plan)
            if not await still_proven(self._services, at.request, plan):
                await self._proof_ended()
        return self

    async def _proof_ended(self) -> None:
        """Begin again without what was proven: the account changed since. The plan keeps where it was to lead."""
        self._restart(keep_context=False)
        self._commit.keep(self._at.plan.to(context=unproven(self._at.plan.origin), errors=PROOF_ENDED))
        await self._commit.commit()

    async def look(self) -> Outcome:
        """Return what there is to show now, passing every stage that needs no answer."""
        try:
            outcome = await self._elsewhere() or await self._onward()
            await self._commit.commit()
        except (PlanChanged, SessionGone):
            return Passed()
        return outcome

    async def _elsewhere(self) -> Outcome | None:
        """Say where a page leads that has nothing to ask: somebody signed in beside it, or its plan is lost.

        A lost sign-in begins again for what it was begun for. Whatever else a protocol asked for, it begins itself.
        """
        at, following = self._at, self._at.following
        signs_in, user = at.flow.designation == "authentication", at.session.user
        if self._commit.stored:
            if not signs_in or user is None or at.plan.user is not None:
                return None
            self._commit.drop()
            self._commit.leave(None if at.plan.completion is None else beside_proof(at.plan.completion))
            return Moved(following or at.home)
        if following is None or at.plan.planned:  # the page of a link has its question
            return None
        if at.flow.designation == "authorization":
            return Moved(following)
        again = await self._services.find_start(at.request, at.flow, following) if signs_in else None
        if again is not None and user is None:
            context = dict(again.context)
            changes = {"context": context, "origin": context, "next_url": following, "completion": again.completion}
            self._commit.plan = at.plan.to(**changes)
        return Moved(following) if again is not None and user is not None else None

    async def start(self, *, hold: bool) -> Outcome:
        """Store the plan this began with, taken as far as it goes without an answer. Raises PlanChanged, SessionGone.

        One that goes to its end without any is left to its page, unless the caller takes that end (`hold`, then it is
        `left`). One that leads to another flow is always left to its page.
        """
        self._later = True
        first = self._at.plan
        self._commit.replace(first)
        outcome = await self._onward()
        if isinstance(outcome, Moved) and not (hold and outcome.ended):
            self._commit.again(first)
            outcome = Passed()
        return await self._ending(outcome, hold=hold)

    async def respond(self, answer: Mapping[str, object]) -> Outcome:
        """Hand an answer to the current stage. One without a challenge that was shown is not judged: Passed."""
        return await self._answered(answer, form=False)

    async def submit(self, form: Mapping[str, object], *, ticket: str) -> Outcome:
        """Hand the form of a page to the current stage, and take the plan on to the next question, or to its end.

        That end is `left` to the caller to commit. The form of an old showing is not looked at: Passed.
        """
        # guard: A30 a form carries the ticket of its challenge
        if ticket != self._at.plan.ticket:
            return Passed()
        return await self._answered(form, form=True)

    async def _answered(self, answer: Mapping[str, object], *, form: bool) -> Outcome:
        self._later = True
        plan = self._at.plan
        if plan.denied is not None:
            return Passed()
        try:
            # guard: A30 a response is verified only after its challenge was shown
            if not plan.shown or not await self._still_there():
                return Passed()  # nothing was asked in this session, or not this: an answer needs its challenge
            outcome = await self._judge(answer, form=form)
            if outcome is None:
                outcome = await self._go_on() if form and self._at.flow.designation != "invalidation" else Passed()
            return await self._ending(outcome, hold=form)
        except (PlanChanged, SessionGone):
            return Passed()

    async def _onward(self) -> Outcome:
        for _ in range(STEPS_MOST):
            outcome = await self._once()
            if outcome is not None:
                return outcome
        return await self._deny(CIRCLE)

    async def _go_on(self) -> Outcome:
        """Take the plan on. What fails there fails again, and is told, where it is shown: the answer counts."""
        try:
            outcome = await self._onward()
        except (PlanChanged, SessionGone):
            raise
        except Exception:
            log.exception("flow %s: going on after an answer failed, and is tried again", self._at.flow.slug)
            return Passed()
        return outcome if isinstance(outcome, Moved) else Passed()

    async def _ending(self, outcome: Outcome, *, hold: bool) -> Outcome:
        if hold and isinstance(outcome, Moved):
            self.left = self._commit.pending()
        else:
            await self._commit.commit()
        return outcome

    async def _judge(self, answer: Mapping[str, object], *, form: bool) -> Outcome | None:
        """Return None when the stage passed."""
        stage, stage_context = self._at.stage(), self._at.stage_context()
        if stage is None:
            return Passed()
        if answer.get("component", stage.COMPONENT) != stage.COMPONENT:
            detail = ErrorDetail("This answer belongs to another step.", "component")
            return await self._show(stage, stage_context, {"component": (detail,)})
        answer = stage.PAGE.read(answer) if form else answer
        verdict = await cast("Behaviour", stage).answer(stage_context, answer)
        match verdict:
            case Ask():
                return Passed()
            case Wrong():
                return await self._wrong(verdict, stage, stage_context)
            case _:
                return await self._carry_out(verdict)

    async def _once(self) -> Outcome | None:
        """Do the next thing; None when there is more to do."""
        plan = self._at.plan
        if plan.denied is not None:
            self._commit.drop()
            return await access_denied(self._at.stage_context(), plan.denied)
        if not plan.planned:
            return await self._make_plan()
        refusal = await self._at.behaviour.refusal(self._at.stage_context())
        if refusal is not None:
            return await self._deny(refusal)
        return await self._step() if plan.steps else await self._finish()

    async def _step(self) -> Outcome | None:
        """Open the current stage, if it is still to be taken."""
        stage = self._at.stage()
        if stage is None:
            # The configuration changed under the plan: everything is asked again, nothing is left out.
            # guard: A30 a deleted stage is not skipped
            self._restart(keep_context=False)
            return None
        plan = self._at.plan
        again = await self._planner.decide_again(plan, self._at.session)
        self._commit.add(again.events)
        if again.changes:
            self._commit.keep(plan.to(context=again.changes.applied(plan.context)))
        if again.fate == "refuse":
            return await self._deny(UNDECIDED, trace=again.trace)
        if again.fate == "leave":
            self._commit.plan = self._at.plan.without_step()
            return None
        stage_context = self._at.stage_context()
        verdict = await cast("Behaviour", stage).open(stage_context)
        match verdict:
            case Ask():
                return await self._ask(verdict, stage, stage_context)
            case Wrong():
                verdict = Refused("This step cannot be taken.", verdict.writes)
        return await self._carry_out(verdict, trace=again.trace)

    async def _carry_out(
        self, verdict: Done | Refused | Declined | Switch | Resume, *, trace: Mapping[str, object] | None = None
    ) -> Outcome | None:
        """Do what a stage said, whether it was opened or answered. `trace` is why it was opened."""
        match verdict:
            case Done():
                return await self._advance(verdict)
            case Refused():
                return await self._refuse(verdict, trace=trace)
            case Declined():
                return await self._decline(verdict)
            case Switch():
                return await self._switch(verdict)
            case Resume():
                return await self._resume(verdict)

    async def _ask(self, verdict: Ask, stage: Stage, stage_context: StageContext) -> Outcome:
        plan = self._at.plan
        scratch = plan.scratch if verdict.scratch is None else verdict.scratch
        if not plan.shown or scratch != plan.scratch or not self._commit.stored:
            self._commit.keep(plan.to(scratch=scratch, shown=True), verdict.writes)
        if self._later:
            return Passed(stage.COMPONENT)
        return await challenge_of(stage_context, verdict, self._at.plan, stage)

    async def _show(self, stage: Stage, stage_context: StageContext, errors: Errors) -> Outcome:
        """Show the current challenge again, with errors that are not stored."""
        verdict: Verdict = await cast("Behaviour", stage).open(stage_context)
        if not isinstance(verdict, Ask):
            return Passed()
        return await challenge_of(stage_context, verdict, self._at.plan.to(errors=errors), stage)

    async def _make_plan(self) -> Outcome | None:
        at = self._at
        opening = at.behaviour.opening(at.stage_context())
        if opening:
            self._commit.plan = at.plan.to(context={**at.plan.context, **opening})
        refusal = await at.behaviour.refusal(at.stage_context())
        if refusal is not None:
            return await self._deny(refusal)
        planned = await self._planner.make(at.flow, at.plan, at.session)
        self._commit.add(planned.events)
        if planned.plan is not None:
            self._commit.plan = planned.plan
            return None
        return await self._not_planned(planned)

    async def _not_planned(self, planned: Planned) -> Outcome:
        if planned.undecided:
            return await self._deny(" ".join(planned.messages), trace=planned.trace)
        return await refusing.not_applicable(self._at, planned.messages, later=self._later, trace=planned.trace)

    async def _finish(self) -> Outcome:
        target = destination(self._at.plan, self._at.query, self._at.home)
        if target is None:
            return await self._deny(_INVALID_NEXT)
        self._commit.finish()
        return Moved(target)

    async def _advance(self, done: Done) -> Outcome | None:
        """Take the step forward. An outcome only when the stage's own work failed."""
        at = self._at
        context = {**at.plan.context, **done.context}
        for key in done.drop:
            context.pop(key, None)
        if done.commit is not None:
            self._commit.keep(at.plan)
            await self._commit.commit()
            try:
                context.update(await done.commit())
            except StageFailed as failure:
                return await self._refuse(Refused(str(failure)))
            forget(at.request)
            self._commit.plan = await renewed(self._services, at.request, at.plan, context)
        plan = at.plan.advanced(context=context, insert=done.insert)
        if done.proof is not None:
            plan = plan.proven(done.proof)
        if done.sign_in is not None:
            await session_changes.sign_in(at, plan, done, done.sign_in)
        elif done.sign_out:
            await session_changes.sign_out(at, plan, done)
        else:
            self._commit.keep(plan, done.writes)
            if done.writes and plan.steps and not done.unread:
                await self._commit.commit()
        return None

    async def _switch(self, verdict: Switch) -> Outcome:
        """Take the plan to another flow, whose page goes on with it."""
        flow = switching.target_flow(self._at, verdict)
        if flow is None:
            return await self._deny(CIRCLE if self._at.plan.switches else switching.NOWHERE, verdict.writes)
        user, to = self._at.session.user, switching.address_of(self._at, flow)
        plan = switching.switched(self._at.plan, flow, user=user, keep_context=verdict.keep_context)
        self._commit.switch(plan, verdict.writes)
        return Moved(to, ended=False)

    async def _resume(self, verdict: Resume) -> Outcome | None:
        """Go on with the plan of a link, if the flow's policies let this browser in."""
        resumed = resuming.resumed(self._at, verdict)
        admitted = await self._planner.admit(self._at.flow, resumed, self._at.session)
        self._commit.add(admitted.events)
        if admitted.plan is None:
            return await self._not_planned(admitted)
        self._commit.switch(admitted.plan, verdict.writes)
        return None

    async def _wrong(self, verdict: Wrong, stage: Stage, stage_context: StageContext) -> Outcome:
        if self._restarted(verdict.writes):
            return Passed()
        plan = self._at.plan
        scratch = plan.scratch if verdict.scratch is None else verdict.scratch
        self._commit.keep(plan.to(scratch=scratch, errors=verdict.errors), verdict.writes)
        again: Verdict = await cast("Behaviour", stage).open(codec.changed(stage_context, scratch=scratch))
        if not isinstance(again, Ask):
            return Passed()
        return await challenge_of(stage_context, again, self._at.plan, stage)

    async def _refuse(self, verdict: Refused, *, trace: Mapping[str, object] | None = None) -> Outcome:
        if self._restarted(verdict.writes):
            return Passed()
        return await self._deny(verdict.message, verdict.writes, trace=trace)

    def _restarted(self, writes: tuple[Statement, ...]) -> bool:
        """Begin again where the place of the stage wants that after a wrong answer."""
        action = self._at.invalid_response_action()
        if action == "retry":
            return False
        self._commit.add(writes)
        self._restart(keep_context=action == "restart_with_context")
        return True

    async def _decline(self, verdict: Declined) -> Outcome:
        """Take the plan to where a no is heard. What has to be done about it is done before anybody looks again."""
        plan = decline.declined(self._at.plan)
        if plan is None:
            return await self._deny(decline.MESSAGE, verdict.writes)
        self._commit.keep(plan, verdict.writes)
        return await self._step() or Passed() if plan.steps else Passed()

    async def _deny(
        self, message: str, writes: tuple[Statement, ...] = (), *, trace: Mapping[str, object] | None = None
    ) -> Outcome:
        return await refusing.deny(self._at, message, writes, later=self._later, trace=trace)

    def _restart(self, *, keep_context: bool) -> None:
        old = self._at.plan
        fresh = new_plan(old.slug, old.destination).to(
            user=self._at.session.user,
            context=old.context if keep_context else old.origin,
            origin=old.origin,
            next_url=old.next_url,
            completion=old.completion,
            append=old.append,
            switches=old.switches,
        )
        self._commit.replace(fresh)

    async def _still_there(self) -> bool:
        """Return whether the current stage still has to be taken; if not, a look will go on."""
        at = self._at
        if await at.behaviour.refusal(at.stage_context()) is not None or at.stage() is None:
            return False
        return (await self._planner.decide_again(at.plan, at.session)).fate == "take"
