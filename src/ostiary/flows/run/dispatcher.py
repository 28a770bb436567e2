"""The dispatcher: the only place that advances a plan. Stages judge; what they answer is carried out here.

One `Run` is one request at one plan. A plan moves forward only together with the writes of the stages that passed, in
one batch guarded by the plan's version (`unit`): of two tabs that answer the same stage, one is heard.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

from ostiary.events.refusals import Refusal
from ostiary.flows import wizard
from ostiary.flows.error_detail import ErrorDetail
from ostiary.flows.errors import PlanChanged
from ostiary.flows.logout import logout
from ostiary.flows.logout.iframes import LOADED
from ostiary.flows.next_url import query_value
from ostiary.flows.people.subjects import forget
from ostiary.flows.plans.beginning import beside_proof
from ostiary.flows.plans.plan import Plan
from ostiary.flows.plans.planner import UNDECIDED, Planner
from ostiary.flows.plans.repository import new_plan
from ostiary.flows.proofs import mfa_cookie, reauthentication
from ostiary.flows.proofs.proof import PROOF_ENDED, renewed, still_proven, unproven
from ostiary.flows.resources import STAGE, Flow, FlowStageBinding, Stage
from ostiary.flows.run import decline
from ostiary.flows.run.challenge_frame import access_denied, challenge_of, session_end
from ostiary.flows.run.destination import destination, following_of, key_of_page
from ostiary.flows.run.flow_commit import FlowCommit, PendingCommit
from ostiary.flows.run.outcome import Moved, Outcome, Passed
from ostiary.flows.run.stage_context import (
    Ask,
    Behaviour,
    Declined,
    Done,
    Refused,
    SignIn,
    StageContext,
    StageFailed,
    Wrong,
)
from ostiary.flows.services import Services
from ostiary.policies.decide import has_bindings
from ostiary.resource import codec
from ostiary.sessions.session import Session, SessionGone
from ostiary.store.database import Statement

if TYPE_CHECKING:
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.web.request import Request

STEPS_MOST: Final = 64  # stages that may pass in one request without an answer
_NOT_NOW: Final = "You cannot use this flow now."
log: Final = logging.getLogger("ostiary.flows")
_INVALID_NEXT: Final = "Invalid next URL"


class Dispatcher:
    """One request at one plan."""

    def __init__(
        self,
        services: Services,
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
        self._snapshot: Snapshot = services.plane.snapshot
        self._request = request
        self._flow = flow
        self._query = query
        self._now = now
        self._planner = Planner(services, snapshot=self._snapshot, request=request, now=now)
        first = new_plan(flow.slug, key_of_page(query)) if plan is None else plan
        self._commit = FlowCommit(services, request, session, first, now=now, pending=pending)
        self._later = False  # what there is to show will be shown by another request

    @property
    def _plan(self) -> Plan:
        return self._commit.plan

    @property
    def _session(self) -> Session:
        return self._commit.session

    async def load(self, *, latest: bool) -> Dispatcher:
        """Read the session's plan for where the page leads, or its latest; one of another person does not count."""
        plans, key, slug = self._services.plans, self._session.key, self._flow.slug
        if latest:
            plan = await plans.latest(key, slug, now=self._now)
        else:
            plan = await plans.read(key, slug, self._plan.destination, now=self._now)
        if plan is not None and plan.user in {None, self._session.user}:
            self._commit.read(plan)
            if not await still_proven(self._services, self._request, plan):
                await self._proof_ended()
        return self

    async def _proof_ended(self) -> None:
        """Begin again without what was proven: the account changed since. The plan keeps where it was to lead."""
        self._restart(keep_context=False)
        self._commit.keep(self._plan.to(context=unproven(self._plan.origin), errors=PROOF_ENDED))
        await self._commit.commit()

    @classmethod
    async def applies(cls, services: Services, flow: Flow, *, request: Request, session: Session, now: int) -> bool:
        """Tell whether the session could start the flow now."""
        planner = Planner(services, snapshot=services.plane.snapshot, request=request, now=now)
        return await planner.applies(flow, session)

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
        following = following_of(self._plan, self._query)
        signs_in, user = self._flow.designation == "authentication", self._session.user
        if self._commit.stored:
            if not signs_in or user is None or self._plan.user is not None:
                return None
            self._commit.drop()
            self._commit.leave(None if self._plan.completion is None else beside_proof(self._plan.completion))
            return Moved(following or self._home())
        if following is None:
            return None
        if self._flow.designation == "authorization":
            return Moved(following)
        again = await self._services.begin_again(self._request, self._flow, following) if signs_in else None
        if again is not None and user is None:
            context = dict(again.context)
            changes = {"context": context, "origin": context, "next_url": following, "completion": again.completion}
            self._commit.plan = self._plan.to(**changes)
        return Moved(following) if again is not None and user is not None else None

    async def start(self, *, hold: bool) -> Outcome:
        """Store the plan this began with, taken as far as it goes without an answer. Raises PlanChanged, SessionGone.

        One that goes to its end without any is left to its page, unless the caller takes that end (`hold`).
        """
        self._later = True
        first = self._plan
        self._commit.replace(first)
        outcome = await self._onward()
        if isinstance(outcome, Moved) and not hold:
            self._commit.again(first)
            outcome = Passed()
        return await self._ending(outcome, hold=hold)

    async def respond(self, answer: Mapping[str, object]) -> Outcome:
        """Hand an answer to the current stage. One without a challenge that was shown is not judged: Passed."""
        return await self._answered(answer, form=False)

    async def submit(self, form: Mapping[str, object], *, ticket: str) -> Outcome:
        """Hand the form of a page to the current stage, and take the plan on to the next question, or to its end.

        That end is left to the caller to commit (`Moved.pending`). The form of an old showing is not looked at: Passed.
        """
        # guard: A30 a form names the showing it answers
        if ticket != self._plan.ticket:
            return Passed()
        return await self._answered(form, form=True)

    async def _answered(self, answer: Mapping[str, object], *, form: bool) -> Outcome:
        self._later = True
        if self._plan.denied is not None:
            return Passed()
        try:
            if logout.is_waiting(self._plan):
                return await self._decided(answer)
            # guard: A30 an answer is judged only after its challenge was shown
            if not self._plan.shown or not await self._still_there():
                return Passed()  # nothing was asked in this session, or not this: an answer needs its challenge
            outcome = await self._judge(answer, form=form)
            if outcome is None:
                outcome = await self._go_on() if form and self._flow.designation != "invalidation" else Passed()
            return await self._ending(outcome, hold=form)
        except (PlanChanged, SessionGone):
            return Passed()

    async def _onward(self) -> Outcome:
        for _ in range(STEPS_MOST):
            outcome = await self._once()
            if outcome is not None:
                return outcome
        return await self._deny("This flow leads in a circle.")

    async def _go_on(self) -> Outcome:
        """Take the plan on. What fails there fails again, and is told, where it is shown: the answer counts."""
        try:
            outcome = await self._onward()
        except (PlanChanged, SessionGone):
            raise
        except Exception:
            log.exception("flow %s: going on after an answer failed, and is tried again", self._flow.slug)
            return Passed()
        return outcome if isinstance(outcome, Moved) else Passed()

    async def _ending(self, outcome: Outcome, *, hold: bool) -> Outcome:
        if hold and isinstance(outcome, Moved):
            return dataclasses.replace(outcome, pending=self._commit.pending())
        await self._commit.commit()
        return outcome

    async def _judge(self, answer: Mapping[str, object], *, form: bool) -> Outcome | None:
        """Return None when the stage passed."""
        stage, stage_context = self._stage(), self._visit()
        if stage is None:
            return Passed()
        if answer.get("component", stage.COMPONENT) != stage.COMPONENT:
            detail = ErrorDetail("This answer belongs to another step.", "component")
            return await self._show(stage, stage_context, {"component": (detail,)})
        answer = stage.PAGE.read(answer) if form else answer
        verdict = await cast("Behaviour", stage).answer(stage_context, answer)
        match verdict:
            case Done():
                return await self._advance(verdict)
            case Wrong():
                return await self._wrong(verdict, stage, stage_context)
            case Refused() | Declined():
                return await self._refuse(verdict)
            case Ask():
                return Passed()

    async def _decided(self, answer: Mapping[str, object]) -> Outcome:
        self._commit.keep(logout.answered(self._plan, answer))
        await self._commit.commit()
        return Passed()

    async def _once(self) -> Outcome | None:
        """Do the next thing; None when there is more to do."""
        plan = self._plan
        if plan.denied is not None:
            self._commit.drop()
            return await access_denied(self._visit(), plan.denied)
        if not plan.planned:
            return await self._make_plan()
        if self._flow.slug == wizard.SLUG and not await wizard.is_open(self._visit()):
            return await self._deny(await wizard.why_closed(self._visit()))
        return await self._step() if plan.steps else await self._finish()

    async def _step(self) -> Outcome | None:
        """Open the current stage, if it is still to be taken."""
        stage = self._stage()
        if stage is None:
            # The configuration changed under the plan: everything is asked again, nothing is left out.
            # guard: A30 a stage that vanished is not left out
            self._restart(keep_context=False)
            return None
        fate, events = await self._planner.decide_again(self._plan, self._session)
        self._commit.add(events)
        if fate == "refuse":
            return await self._deny(UNDECIDED)
        if fate == "leave":
            self._commit.plan = self._plan.without_step()
            return None
        return await self._open(stage, self._visit())

    async def _open(self, stage: Stage, stage_context: StageContext) -> Outcome | None:
        verdict = await cast("Behaviour", stage).open(stage_context)
        match verdict:
            case Done():
                return await self._advance(verdict)
            case Refused() | Declined():
                return await self._refuse(verdict)
            case Wrong():
                return await self._refuse(Refused("This step cannot be taken.", verdict.writes))
            case Ask():
                return await self._ask(verdict, stage, stage_context)

    async def _ask(self, verdict: Ask, stage: Stage, stage_context: StageContext) -> Outcome:
        scratch = self._plan.scratch if verdict.scratch is None else verdict.scratch
        if not self._plan.shown or scratch != self._plan.scratch or not self._commit.stored:
            self._commit.keep(self._plan.to(scratch=scratch, shown=True))
        if self._later:
            return Passed(stage.COMPONENT)
        return await challenge_of(stage_context, verdict, self._plan, stage)

    async def _show(
        self, stage: Stage, stage_context: StageContext, errors: Mapping[str, Sequence[ErrorDetail]]
    ) -> Outcome:
        """Show the current challenge again, with errors that are not kept."""
        verdict = await cast("Behaviour", stage).open(stage_context)
        if not isinstance(verdict, Ask):
            return Passed()
        return await challenge_of(stage_context, verdict, self._plan.to(errors=errors), stage)

    async def _make_plan(self) -> Outcome | None:
        if self._flow.slug == wizard.SLUG:
            token = query_value(self._query, "token") or ""
            context = {**self._plan.context, **wizard.opening(self._visit(), token)}
            self._commit.plan = self._plan.to(context=context)
            if not await wizard.is_open(self._visit()):
                return await self._deny(await wizard.why_closed(self._visit()))
        made = await self._planner.make(self._flow, self._plan, self._session)
        self._commit.add(made.events)
        if made.plan is not None:
            self._commit.plan = made.plan
            return None
        if made.undecided:
            return await self._deny(" ".join(made.messages))
        return await self._not_applicable(made.messages)

    async def _not_applicable(self, messages: Sequence[str]) -> Outcome:
        flow, plan, following = self._flow, self._plan, following_of(self._plan, self._query)
        # Whoever began this flow would begin it again at once: going there would never end.
        back = following is not None and following == plan.next_url
        if flow.designation == "authentication" and self._session.user is not None and not (back and plan.user):
            self._commit.drop()
            return Moved(following or self._home())
        message = " ".join(messages) or _NOT_NOW
        going = {"continue": True, "message_continue": following is not None and not back}
        if going.get(flow.denied_action, False):
            self._commit.add(self._told(message))
            self._commit.drop()
            return Moved(following if following is not None and not back else self._home())
        return await self._deny(message)

    async def _finish(self) -> Outcome:
        parting = await self._farewell()
        if parting is not None:
            return parting
        target = destination(self._plan, self._query, self._home())
        if target is None:
            return await self._deny(_INVALID_NEXT)
        if self._flow.designation == "invalidation" and not self._plan.context.get("redirect"):
            ended = await session_end(self._visit())
            if ended is not None:
                return ended
        self._commit.finish()
        return Moved(target)

    async def _farewell(self) -> Outcome | None:
        """Ask, sign out, and let the browser tell applications, as far as this sign-out wants it."""
        if logout.signs_out(self._plan, self._session):
            await self._sign_out(self._plan, Done())
        urls = logout.to_load(self._plan)
        if logout.asks(self._plan, self._session):
            shown = await logout.question(self._visit(), self._plan)
        elif urls and query_value(self._query, LOADED) is None:
            shown = logout.iframes(self._visit(), self._plan, urls)
        else:
            shown = None
        if shown is not None and not self._plan.shown:
            self._commit.keep(self._plan.to(shown=True))
        return shown

    def _home(self) -> str:
        return self._request.prefix + "/"

    async def _advance(self, done: Done) -> Outcome | None:
        """Take the step forward. An outcome only when the stage's own work failed."""
        context = {**self._plan.context, **done.context}
        for key in done.drop:
            context.pop(key, None)
        if done.commit is not None:
            self._commit.keep(self._plan)
            await self._commit.commit()
            try:
                context.update(await done.commit())
            except StageFailed as failure:
                return await self._refuse(Refused(str(failure)))
            forget(self._request)
            self._commit.plan = await renewed(self._services, self._request, self._plan, context)
        plan = self._plan.advanced(context=context, insert=done.insert)
        if done.proof is not None:
            plan = plan.proven(done.proof)
        if done.sign_in is not None:
            await self._sign_in(plan, done, done.sign_in)
        elif done.sign_out:
            await self._sign_out(plan, done)
        else:
            self._commit.keep(plan, done.writes)
            if done.writes and plan.steps and not done.unread:
                await self._commit.commit()
        return None

    async def _sign_in(self, plan: Plan, done: Done, proof: SignIn) -> None:
        self._commit.sign_in(plan, proof, done.writes)
        if plan.steps or proof.terminate_others:
            await self._commit.commit()  # the next stage looks for what moves with the session under its new id
        if proof.terminate_others:
            forget(self._request)
            mfa_cookie.renew(self._request, self._services.cookie_key, before=proof.user, after=done.proof)
            await self._services.sessions.end_all(proof.user.pk, now=self._now, but=self._session.key)

    async def _sign_out(self, plan: Plan, done: Done) -> None:
        """End the session; the rest of the flow goes on in a new one, which is nobody's."""
        urls = await self._services.sessions.farewells(self._session)
        await self._commit.commit()
        await self._services.sessions.end(self._request, self._session, now=self._now, extra=done.writes)
        self._commit.session = await self._services.sessions.ensure(self._request, self._now)
        self._commit.replace(logout.remembered(plan.to(user=None), urls))
        await self._commit.commit()

    async def _wrong(self, verdict: Wrong, stage: Stage, stage_context: StageContext) -> Outcome:
        action = self._invalid_response_action()
        if action != "retry":
            self._commit.add(verdict.writes)
            self._restart(keep_context=action == "restart_with_context")
            return Passed()
        scratch = self._plan.scratch if verdict.scratch is None else verdict.scratch
        self._commit.keep(self._plan.to(scratch=scratch, errors=verdict.errors), verdict.writes)
        again = await cast("Behaviour", stage).open(codec.changed(stage_context, scratch=scratch))
        if not isinstance(again, Ask):
            return Passed()
        return await challenge_of(stage_context, again, self._plan, stage)

    async def _refuse(self, verdict: Refused | Declined) -> Outcome:
        if isinstance(verdict, Declined):
            return await self._decline(verdict)
        action = self._invalid_response_action()
        if action != "retry":
            self._commit.add(verdict.writes)
            self._restart(keep_context=action == "restart_with_context")
            return Passed()
        return await self._deny(verdict.message, verdict.writes)

    async def _decline(self, verdict: Declined) -> Outcome:
        """Take the plan to where a no is heard. What has to be done about it is done before anybody looks again."""
        plan = decline.declined(self._plan)
        if plan is None:
            return await self._deny(decline.MESSAGE, verdict.writes)
        self._commit.keep(plan, verdict.writes)
        return await self._step() or Passed() if plan.steps else Passed()

    async def _deny(self, message: str, writes: Sequence[Statement] = ()) -> Outcome:
        """End the plan with a refusal; kept for one look when another request shows it, as after a POST of a page."""
        challenge = await access_denied(self._visit(), message)
        writes = (*writes, *self._told(message))
        if self._later:
            self._commit.keep(self._plan.to(denied=message, steps=(), scratch={}, errors={}, planned=True), writes)
        else:
            self._commit.add(writes)
            self._commit.drop()
        return challenge

    def _told(self, message: str) -> Sequence[Statement]:
        """Return the event of a refusal, unless there are too many; the log has its line."""
        application = self._plan.context.get("application")
        row = self._services.refusals.note(
            Refusal(
                where=f"flow {self._flow.slug}",
                error="access_denied",
                reason=message,
                address=self._request.client,
                request_id=self._request.request_id,
                client=application if isinstance(application, dict) else None,
                user=self._session.who if self._session.user is not None else None,
                logger="ostiary.flows",
            ),
            now=self._now,
        )
        return () if row is None else (row,)

    def _restart(self, *, keep_context: bool) -> None:
        old = self._plan
        fresh = new_plan(old.slug, old.destination).to(
            user=self._session.user,
            context=old.context if keep_context else old.origin,
            origin=old.origin,
            next_url=old.next_url,
            completion=old.completion,
            append=old.append,
        )
        self._commit.replace(fresh)

    async def _still_there(self) -> bool:
        """Tell whether the current stage still has to be taken; if not, a look will go on."""
        if self._flow.slug == wizard.SLUG and not await wizard.is_open(self._visit()):
            return False
        if self._stage() is None:
            return False
        fate, _ = await self._planner.decide_again(self._plan, self._session)
        return fate == "take"

    def _invalid_response_action(self) -> str:
        step = self._plan.steps[0] if self._plan.steps else None
        binding = self._snapshot.get(FlowStageBinding, step.binding) if step and step.binding else None
        return binding.invalid_response_action if binding is not None else "retry"

    def _stage(self) -> Stage | None:
        step = self._plan.steps[0] if self._plan.steps else None
        if step is None or (step.binding is not None and self._snapshot.get(FlowStageBinding, step.binding) is None):
            return None
        if step.binding is None and step.stage in reauthentication.STAGES:
            return reauthentication.STAGES[step.stage]
        if step.binding is None and step.stage in self._services.own_stages:
            return self._services.own_stages[step.stage]
        found = self._snapshot.resolve(STAGE, step.stage)
        return found if isinstance(found, Stage) else None

    def _visit(self) -> StageContext:
        step = self._plan.steps[0] if self._plan.steps else None
        return StageContext(
            flow=self._flow,
            snapshot=self._snapshot,
            request=self._request,
            session=self._session,
            services=self._services,
            now=self._now,
            query=self._query,
            context=self._plan.context,
            scratch=self._plan.scratch,
            proof=self._plan.proof,
            bound=step is not None and step.binding is not None and has_bindings(step.binding, self._snapshot),
        )
