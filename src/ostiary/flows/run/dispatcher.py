"""The dispatcher: the only place that advances a plan. Stages return verdicts; the dispatcher applies them.

A `Dispatcher` handles one request to one plan. A plan advances only together with the writes of the stages that
passed, in one batch guarded by the plan's version (`flow_commit`): of two concurrent responses, one is accepted.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ostiary.flows.error_detail import ErrorDetail, Errors
from ostiary.flows.errors import PlanChanged
from ostiary.flows.interface.stage_context import (
    Ask,
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
from ostiary.flows.people.subject_cache import forget
from ostiary.flows.plans.destination import destination
from ostiary.flows.plans.flow_start import beside_proof
from ostiary.flows.plans.pending_commit import PendingCommit
from ostiary.flows.plans.repository import new_plan
from ostiary.flows.proofs.proof import PROOF_ENDED, renewed, still_proven, unproven
from ostiary.flows.run import decline, denial, flow_switch, restored_plan, session_changes
from ostiary.flows.run.challenge_frame import access_denied, challenge_of
from ostiary.flows.run.flow_commit import FlowCommit
from ostiary.flows.run.outcome import FlowRedirect, Outcome, Passed
from ostiary.flows.run.planner import UNDECIDED, Planned, Planner
from ostiary.flows.run.run_state import OwnStages, RunState
from ostiary.flows.run.stage_work import answer_stage, open_stage
from ostiary.resource import codec
from ostiary.sessions.session import Session, SessionGone

if TYPE_CHECKING:
    from ostiary.flows.plans.plan import Plan
    from ostiary.flows.resources import Flow, Stage
    from ostiary.flows.services import Services
    from ostiary.store.database import Statement
    from ostiary.web.request import Request

MAX_STEPS: Final = 64  # stages that may pass in one request without a response
_LOOP_MESSAGE: Final = "This flow leads in a circle."
log: Final = logging.getLogger("ostiary.flows")
_INVALID_NEXT: Final = "Invalid next URL"


class Dispatcher:
    """The handling of one request to one plan."""

    def __init__(
        self,
        services: Services,
        extensions: OwnStages,
        *,
        request: Request,
        session: Session,
        flow: Flow,
        query: str,
        now: int,
        plan: Plan | None = None,
        pending: PendingCommit | None = None,
    ) -> None:
        """`plan` is a new plan to start; `pending` is committed together with it."""
        self._services = services
        self._planner = Planner(services, snapshot=services.plane.snapshot, request=request, now=now)
        first = restored_plan.first_plan(flow, session, query) if plan is None else plan
        self._commit = FlowCommit(services, request, session, first, now=now, pending=pending)
        self._state = RunState(services, extensions, self._commit, request=request, flow=flow, query=query, now=now)
        self._deferred = False  # another request will show the challenge
        self.pending_end: PendingCommit | None = None
        """The end of the flow, if the caller must commit it."""

    async def load(self, *, latest: bool) -> Dispatcher:
        """Read the session's plan for the destination of the page, or the latest. Ignore plans of another user."""
        state = self._state
        plans, key, slug = self._services.plans, state.session.key, state.flow.slug
        if latest:
            plan = await plans.latest(key, slug, now=state.now)
        else:
            plan = await plans.read(key, slug, state.plan.destination, now=state.now)
        if plan is not None and plan.user in {None, state.session.user}:
            self._commit.read(plan)
            if not await still_proven(self._services, state.request, plan):
                await self._proof_ended()
        return self

    async def _proof_ended(self) -> None:
        """Restart without the proof, because the account changed since. The destination stays."""
        self._restart(keep_context=False)
        self._commit.keep(self._state.plan.to(context=unproven(self._state.plan.origin), errors=PROOF_ENDED))
        await self._commit.commit()

    async def show(self) -> Outcome:
        """Return the current challenge, after passing every stage that needs no response."""
        try:
            outcome = await self._redirect_away() or await self._run_steps()
            await self._commit.commit()
        except (PlanChanged, SessionGone):
            return Passed()
        return outcome

    async def _redirect_away(self) -> Outcome | None:
        """Return a redirect if the user signed in in another tab, or the plan is lost; else None.

        A lost sign-in is started again with its context (`find_start`). A lost authorization flow redirects to the
        protocol, which starts it again.
        """
        state, following = self._state, self._state.following
        signs_in, user = state.flow.designation == "authentication", state.session.user
        if self._commit.stored:
            if not signs_in or user is None or state.plan.user is not None:
                return None
            self._commit.drop()
            self._commit.leave_proof(None if state.plan.completion is None else beside_proof(state.plan.completion))
            return FlowRedirect(following or state.home)
        if following is None or state.plan.planned:  # the page of a link has its question
            return None
        if state.flow.designation == "authorization":
            return FlowRedirect(following)
        again = await self._services.find_start(state.request, state.flow, following) if signs_in else None
        if again is not None and user is None:
            context = dict(again.context)
            changes = {"context": context, "origin": context, "next_url": following, "completion": again.completion}
            self._commit.plan = state.plan.to(**changes)
        return FlowRedirect(following) if again is not None and user is not None else None

    async def start(self, *, defer_end: bool) -> Outcome:
        """Store the new plan, advanced to its first challenge. Raises PlanChanged, SessionGone.

        A plan that would end without a challenge is stored unchanged for its page, unless the caller commits the end
        (`defer_end`; then `pending_end` is set). A plan that switches to another flow is always left to its page.
        """
        self._deferred = True
        first = self._state.plan
        self._commit.replace(first)
        outcome = await self._run_steps()
        if isinstance(outcome, FlowRedirect) and not (defer_end and outcome.ended):
            self._commit.revert_to(first)
            outcome = Passed()
        return await self._commit_or_defer(outcome, defer_end=defer_end)

    async def respond(self, answer: Mapping[str, object]) -> Outcome:
        """Pass a response to the current stage. Returns Passed if its challenge was never shown."""
        return await self._answer(answer, form=False)

    async def submit(self, form: Mapping[str, object], *, ticket: str) -> Outcome:
        """Pass the form of a page to the current stage, and advance the plan to the next challenge or to its end.

        The caller commits the end (`pending_end`). Returns Passed for a form with an old ticket.
        """
        # guard: A30 a form carries the ticket of its challenge
        if ticket != self._state.plan.ticket:
            return Passed()
        return await self._answer(form, form=True)

    async def _answer(self, answer: Mapping[str, object], *, form: bool) -> Outcome:
        self._deferred = True
        plan = self._state.plan
        if plan.denied is not None:
            return Passed()
        try:
            # guard: A30 a response is verified only after its challenge was shown
            if not plan.shown or not await self._still_there():
                return Passed()  # this challenge was not shown in this session
            outcome = await self._evaluate(answer, form=form)
            if outcome is None:
                outcome = await self._continue() if form else Passed()
            return await self._commit_or_defer(outcome, defer_end=form)
        except (PlanChanged, SessionGone):
            return Passed()

    async def _run_steps(self) -> Outcome:
        for _ in range(MAX_STEPS):
            outcome = await self._run_step()
            if outcome is not None:
                return outcome
        return await self._deny(_LOOP_MESSAGE)

    async def _continue(self) -> Outcome:
        """Advance the plan after a response. The response counts even if this fails; the page then shows the error."""
        try:
            outcome = await self._run_steps()
        except (PlanChanged, SessionGone):
            raise
        except Exception:
            log.exception("flow %s: going on after an answer failed, and is tried again", self._state.flow.slug)
            return Passed()
        return outcome if isinstance(outcome, FlowRedirect) else Passed()

    async def _commit_or_defer(self, outcome: Outcome, *, defer_end: bool) -> Outcome:
        if defer_end and isinstance(outcome, FlowRedirect):
            self.pending_end = self._commit.pending()
        else:
            await self._commit.commit()
        return outcome

    async def _evaluate(self, answer: Mapping[str, object], *, form: bool) -> Outcome | None:
        """Let the stage evaluate the response. Returns None when it passed."""
        stage, stage_context = self._state.stage(), self._state.stage_context()
        if stage is None:
            return Passed()
        if answer.get("component", stage.COMPONENT) != stage.COMPONENT:
            detail = ErrorDetail("This answer belongs to another step.", "component")
            return await self._challenge_again(stage, stage_context, {"component": (detail,)})
        answer = stage.PAGE.read(answer) if form else answer
        verdict = await answer_stage(stage, stage_context, answer)
        match verdict:
            case Ask():
                return Passed()
            case Wrong():
                return await self._reject(verdict, stage, stage_context)
            case _:
                return await self._apply(verdict)

    async def _run_step(self) -> Outcome | None:
        """Run the next step. Returns None when there are more."""
        plan = self._state.plan
        if plan.denied is not None:
            self._commit.drop()
            return await access_denied(self._state.stage_context(), plan.denied)
        if not plan.planned:
            return await self._make_plan()
        refusal = await self._state.behaviour.refusal(self._state.stage_context())
        if refusal is not None:
            return await self._deny(refusal)
        return await self._open_stage() if plan.steps else await self._finish()

    async def _open_stage(self) -> Outcome | None:
        """Open the current stage, unless its policies skip it."""
        stage = self._state.stage()
        if stage is None:
            # The stage was deleted meanwhile: the flow restarts, so that nothing is skipped.
            # guard: A30 a deleted stage is not skipped
            self._restart(keep_context=False)
            return None
        if self._deferred and stage.OWN_REQUEST:
            return Passed(stage.COMPONENT)
        plan = self._state.plan
        again = await self._planner.reevaluate(plan, self._state.session)
        self._commit.add(again.events)
        if again.changes:
            self._commit.keep(plan.to(context=again.changes.applied(plan.context)))
        if again.fate == "refuse":
            return await self._deny(UNDECIDED, trace=again.trace)
        if again.fate == "leave":
            self._commit.plan = self._state.plan.without_step()
            return None
        stage_context = self._state.stage_context()
        verdict = await open_stage(stage, stage_context)
        match verdict:
            case Ask():
                return await self._challenge(verdict, stage, stage_context)
            case Wrong():
                verdict = Refused("This step cannot be taken.", verdict.writes)
        return await self._apply(verdict, trace=again.trace)

    async def _apply(
        self, verdict: Done | Refused | Declined | Switch | Resume, *, trace: Mapping[str, object] | None = None
    ) -> Outcome | None:
        """Apply the verdict of a stage. `trace` is that of the policies of its binding."""
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

    async def _challenge(self, verdict: Ask, stage: Stage, stage_context: StageContext) -> Outcome:
        plan = self._state.plan
        scratch = plan.scratch if verdict.scratch is None else verdict.scratch
        if not plan.shown or scratch != plan.scratch or not self._commit.stored:
            self._commit.keep(plan.to(scratch=scratch, shown=True), verdict.writes)
        if self._deferred:
            return Passed(stage.COMPONENT)
        return await challenge_of(stage_context, verdict, self._state.plan, stage)

    async def _challenge_again(self, stage: Stage, stage_context: StageContext, errors: Errors) -> Outcome:
        """Return the current challenge with errors that are not stored."""
        verdict: Verdict = await open_stage(stage, stage_context)
        if not isinstance(verdict, Ask):
            return Passed()
        return await challenge_of(stage_context, verdict, self._state.plan.to(errors=errors), stage)

    async def _make_plan(self) -> Outcome | None:
        state = self._state
        opening = state.behaviour.opening(state.stage_context())
        if opening:
            self._commit.plan = state.plan.to(context={**state.plan.context, **opening})
        refusal = await state.behaviour.refusal(state.stage_context())
        if refusal is not None:
            return await self._deny(refusal)
        planned = await self._planner.make(state.flow, state.plan, state.session)
        self._commit.add(planned.events)
        if planned.plan is not None:
            self._commit.plan = planned.plan
            return None
        return await self._not_planned(planned)

    async def _not_planned(self, planned: Planned) -> Outcome:
        if planned.undecided:
            return await self._deny(" ".join(planned.messages), trace=planned.trace)
        return await denial.not_applicable(self._state, planned.messages, deferred=self._deferred, trace=planned.trace)

    async def _finish(self) -> Outcome:
        target = destination(self._state.plan, self._state.query, self._state.home)
        if target is None:
            return await self._deny(_INVALID_NEXT)
        self._commit.finish()
        return FlowRedirect(target)

    async def _advance(self, done: Done) -> Outcome | None:
        """Advance the plan. Returns an outcome only if the stage's own commit failed."""
        state = self._state
        context = {**state.plan.context, **done.context}
        for key in done.drop:
            context.pop(key, None)
        if done.commit is not None:
            self._commit.keep(state.plan)
            await self._commit.commit()
            try:
                context.update(await done.commit())
            except StageFailed as failure:
                return await self._refuse(Refused(str(failure)))
            forget(state.request)
            self._commit.plan = await renewed(self._services, state.request, state.plan, context)
        plan = state.plan.advanced(context=context, insert=done.insert)
        if done.proof is not None:
            plan = plan.proven(done.proof)
        if done.sign_in is not None:
            await session_changes.sign_in(state, plan, done, done.sign_in)
        elif done.sign_out:
            await session_changes.sign_out(state, plan, done)
        else:
            self._commit.keep(plan, done.writes)
            if done.writes and plan.steps and not done.unread:
                await self._commit.commit()
        return None

    async def _switch(self, verdict: Switch) -> Outcome:
        """Switch to another flow, and redirect to its page."""
        flow = flow_switch.target_flow(self._state, verdict)
        if flow is None:
            return await self._deny(_LOOP_MESSAGE if self._state.plan.switches else flow_switch.NOWHERE, verdict.writes)
        user, to = self._state.session.user, flow_switch.address_of(self._state, flow)
        plan = flow_switch.switched(self._state.plan, flow, user=user, keep_context=verdict.keep_context)
        self._commit.switch(plan, verdict.writes)
        return FlowRedirect(to, ended=False)

    async def _resume(self, verdict: Resume) -> Outcome | None:
        """Continue with the plan of a link, if the policies of the flow allow it."""
        resumed = restored_plan.resumed(self._state, verdict)
        admitted = await self._planner.admit(self._state.flow, resumed, self._state.session)
        self._commit.add(admitted.events)
        if admitted.plan is None:
            return await self._not_planned(admitted)
        self._commit.switch(admitted.plan, verdict.writes)
        return None

    async def _reject(self, verdict: Wrong, stage: Stage, stage_context: StageContext) -> Outcome:
        if self._restarted(verdict.writes):
            return Passed()
        plan = self._state.plan
        scratch = plan.scratch if verdict.scratch is None else verdict.scratch
        self._commit.keep(plan.to(scratch=scratch, errors=verdict.errors), verdict.writes)
        again: Verdict = await open_stage(stage, codec.changed(stage_context, scratch=scratch))
        if not isinstance(again, Ask):
            return Passed()
        if again.scratch is not None and again.scratch != scratch:
            self._commit.keep(self._state.plan.to(scratch=again.scratch))
        return await challenge_of(stage_context, again, self._state.plan, stage)

    async def _refuse(self, verdict: Refused, *, trace: Mapping[str, object] | None = None) -> Outcome:
        if self._restarted(verdict.writes):
            return Passed()
        return await self._deny(verdict.message, verdict.writes, trace=trace)

    def _restarted(self, writes: tuple[Statement, ...]) -> bool:
        """Restart the flow if the stage binding says so for a wrong response."""
        action = self._state.invalid_response_action()
        if action == "retry":
            return False
        self._commit.add(writes)
        self._restart(keep_context=action == "restart_with_context")
        return True

    async def _decline(self, verdict: Declined) -> Outcome:
        """Continue with the decline stage or URL of the plan. Its writes are committed in this request."""
        plan = decline.declined(self._state.plan)
        if plan is None:
            return await self._deny(decline.MESSAGE, verdict.writes)
        self._commit.keep(plan, verdict.writes)
        return await self._open_stage() or Passed() if plan.steps else Passed()

    async def _deny(
        self, message: str, writes: tuple[Statement, ...] = (), *, trace: Mapping[str, object] | None = None
    ) -> Outcome:
        return await denial.deny(self._state, message, writes, deferred=self._deferred, trace=trace)

    def _restart(self, *, keep_context: bool) -> None:
        old = self._state.plan
        fresh = new_plan(old.slug, old.destination).to(
            user=self._state.session.user,
            context=old.context if keep_context else old.origin,
            origin=old.origin,
            next_url=old.next_url,
            completion=old.completion,
            append=old.append,
            switches=old.switches,
        )
        self._commit.replace(fresh)

    async def _still_there(self) -> bool:
        """Return whether the current stage is still due. If not, the next request advances the plan."""
        state = self._state
        if await state.behaviour.refusal(state.stage_context()) is not None or state.stage() is None:
            return False
        return (await self._planner.reevaluate(state.plan, state.session)).fate == "take"
