"""The planner: whether a flow is applicable, which stages its plan has, and the re-evaluation of their policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal

from ostiary.events.evaluation_log import log_not_evaluated
from ostiary.flows.people.subject_cache import subject_of
from ostiary.flows.plans.context_changes import allowed_changes
from ostiary.flows.plans.logout import logout_steps
from ostiary.flows.plans.plan import Plan, PlanStep
from ostiary.flows.plans.requirement import policy_context, requirement_met
from ostiary.flows.proofs.reauthentication import REAUTHENTICATE, is_proven
from ostiary.flows.resources import STAGE, Flow, FlowStageBinding, Stage
from ostiary.flows.services import Services
from ostiary.policies.decide import Decision, decide, has_bindings
from ostiary.policies.decision_effects import NO_CHANGES, ContextChanges
from ostiary.record import dataclass
from ostiary.sessions.session import Session

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.policies.context import PolicyContext
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.store.database import Statement
    from ostiary.web.request import Request


UNDECIDED: Final = (
    "This cannot go on: a rule of this flow could not be evaluated. Tell whoever runs this service; the log names it."
)

Fate = Literal["take", "leave", "refuse"]


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, or None with the messages of the policies that denied it. The caller writes `events` in both cases."""

    plan: Plan | None
    messages: tuple[str, ...] = ()
    events: tuple[Statement, ...] = ()
    undecided: bool = False  # a policy could not be evaluated, so the flow must be denied
    trace: Mapping[str, object] | None = None  # of the decision that denied it, as JSON data


@dataclass(frozen=True, slots=True)
class Reevaluation:
    """The result of the policies of a stage binding, evaluated again just before the stage.

    `events` and `trace` are as in `Planned`. `changes` are those of the expressions to the plan context.
    """

    fate: Fate = "take"
    events: tuple[Statement, ...] = ()
    trace: Mapping[str, object] | None = None
    changes: ContextChanges = NO_CHANGES


class Planner:
    """The planner of one request."""

    def __init__(self, services: Services, *, snapshot: Snapshot, request: Request, now: int) -> None:
        self._services = services
        self._snapshot = snapshot
        self._request = request
        self._now = now

    async def make(self, flow: Flow, plan: Plan, session: Session) -> Planned:
        """Return the plan with its steps, if the flow is applicable to the session."""
        subject = await self._active(session.user)
        if not requirement_met(flow, subject, plan.context):
            return Planned(None)
        admitted = await self._admitted(flow, plan, session, subject)
        if admitted.plan is None:
            return admitted
        plan, events = admitted.plan, list(admitted.events)
        steps = []
        for binding in bindings_of(flow, self._snapshot):
            if binding.evaluate_on_plan:
                decision = await decide(
                    subject=subject,
                    target_pk=str(binding.pk),
                    mode=binding.policy_engine_mode,
                    snapshot=self._snapshot,
                    context=self._context(plan.context, session),
                )
                events.extend(decision.events)
                plan = _changed(plan, decision)
                fate = self._fate(decision, binding)
                if fate == "refuse":
                    return Planned(None, (UNDECIDED,), tuple(events), undecided=True, trace=decision.trace.data())
                if fate == "leave":
                    continue
            steps.append(PlanStep(binding.stage, str(binding.pk), binding.re_evaluate_policies))
        if self._requires_reauthentication(flow, plan, session, subject, [step.stage for step in steps]):
            steps.insert(0, PlanStep(REAUTHENTICATE))
        steps.extend(PlanStep(stage) for stage in plan.append)
        steps.extend(logout_steps(flow, plan.context))
        planned = plan.to(planned=True, steps=tuple(steps), user=session.user)
        if subject is not None and planned.proof is None:
            planned = planned.proven(subject.user)
        return Planned(planned, events=tuple(events))

    async def admit(self, flow: Flow, plan: Plan, session: Session) -> Planned:
        """Return the given plan if the policies of the flow allow the session."""
        return await self._admitted(flow, plan, session, await self._active(session.user))

    async def _admitted(self, flow: Flow, plan: Plan, session: Session, subject: Subject | None) -> Planned:
        verdict = await decide(
            subject=subject,
            target_pk=str(flow.pk),
            mode=flow.policy_engine_mode,
            snapshot=self._snapshot,
            context=self._context(plan.context, session),
        )
        if verdict.passing:
            return Planned(_changed(plan, verdict), events=verdict.events)
        messages = verdict.messages or ((UNDECIDED,) if verdict.undecided else ())
        return Planned(None, messages, verdict.events, undecided=verdict.undecided, trace=verdict.trace.data())

    def _requires_reauthentication(
        self, flow: Flow, plan: Plan, session: Session, subject: Subject | None, stages: Sequence[str]
    ) -> bool:
        """Return whether the user's password is required first: the flow changes it, and nothing is proven yet."""
        if flow.designation != "stage_configuration" or subject is None or not subject.user.has_password:
            return False
        pk = subject.user.pk
        if is_proven(pk, context=plan.context, session=session, proof=plan.proof, now=self._now):
            return False
        resolved = (self._snapshot.resolve(STAGE, stage) for stage in stages)
        return any(isinstance(stage, Stage) and stage.sets_password(self._snapshot) for stage in resolved)

    async def applies(self, flow: Flow, session: Session) -> bool:
        """Return whether the flow is applicable to the session now."""
        return (await self.make(flow, Plan(id="", slug=flow.slug), session)).plan is not None

    async def reevaluate(self, plan: Plan, session: Session) -> Reevaluation:
        """Evaluate the policies of the current stage binding again, if it has `re_evaluate_policies`."""
        step = plan.steps[0]
        if step.binding is None or not step.re_evaluate or not has_bindings(step.binding, self._snapshot):
            return Reevaluation()
        binding = self._snapshot.get(FlowStageBinding, step.binding)
        if binding is None:
            return Reevaluation()
        pending = plan.context.get("pending_user")
        pk = pending.get("pk") if isinstance(pending, dict) else session.user
        decision = await decide(
            subject=await self._active(pk) if isinstance(pk, int) else None,
            target_pk=step.binding,
            mode=binding.policy_engine_mode,
            snapshot=self._snapshot,
            context=self._context(plan.context, session),
        )
        changes = allowed_changes(decision.changes, plan.context)
        return Reevaluation(self._fate(decision, binding), decision.events, decision.trace.data(), changes)

    def _context(self, context: Mapping[str, object], session: Session) -> PolicyContext:
        return policy_context(
            context,
            request=self._request,
            now=self._now,
            services=self._services.policy_services,
            visitor=session.user,
        )

    def _fate(self, decision: Decision, binding: FlowStageBinding) -> Fate:
        fate = fate_of(decision, binding, self._snapshot)
        if decision.undecided and not decision.passing:
            stage = self._snapshot.resolve(STAGE, binding.stage)
            log_not_evaluated(
                f"whether stage {getattr(stage, 'name', binding.stage)} (binding {binding.pk}) is left out",
                reason="a policy of its place failed",
                consequence="the stage is taken" if fate == "take" else "the flow is refused",
                now=self._now,
            )
        return fate

    async def _active(self, pk: int | None) -> Subject | None:
        """Return the user with groups, if active."""
        if pk is None:
            return None
        subject = await subject_of(self._services.users, self._request, pk)
        return subject if subject is not None and subject.user.is_active else None


def _changed(plan: Plan, decision: Decision) -> Plan:
    """Return the plan with the allowed changes of expressions."""
    changes = allowed_changes(decision.changes, plan.context)
    return plan.to(context=changes.applied(plan.context)) if changes else plan


def fate_of(decision: Decision, binding: FlowStageBinding, snapshot: Snapshot) -> Fate:
    """Return whether a stage is taken, left out, or refused. A failed policy never removes a stage (`Stage.GUARD`)."""
    if decision.passing:
        return "take"
    # guard: A76 a failing policy never removes a guard stage
    if not decision.undecided:
        return "leave"
    stage = snapshot.resolve(STAGE, binding.stage)
    guards = isinstance(stage, Stage) and stage.GUARD
    # guard: A76 a failing policy never adds a stage that signs in
    return "take" if guards else "refuse"


def bindings_of(flow: Flow, snapshot: Snapshot) -> Sequence[FlowStageBinding]:
    """Return the stage bindings of a flow in their order."""

    def ordered() -> Sequence[FlowStageBinding]:
        bindings = snapshot.referring(FlowStageBinding, "target", flow.pk)
        return sorted(bindings, key=lambda binding: (binding.order, str(binding.pk)))

    return snapshot.memo(("flows.bindings", flow.pk), ordered)
