"""The flows that a sign-in would run, with the outcome of each stage."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, Literal

from ostiary.flows.plans.context_changes import allowed_changes
from ostiary.flows.plans.requirement import requirement_met
from ostiary.flows.resources import STAGE, Flow, FlowStageBinding
from ostiary.flows.run.planner import Fate, bindings_of, fate_of
from ostiary.flows.stages.deny import DenyStage
from ostiary.flows.stages.identification import IdentificationStage
from ostiary.record import dataclass
from ostiary.signon.explain.decision_details import decide_in_detail

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ostiary.directory.user import Subject
    from ostiary.policies.decide import Decision
    from ostiary.resource import Resource
    from ostiary.signon.explain.situation import DecisionDetails, UserSituation

PlaceFate = Literal["taken", "left out", "refuses"]
_FATES: Final[dict[Fate, PlaceFate]] = {"take": "taken", "leave": "left out", "refuse": "refuses"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A stage of a flow and its outcome. `policies` are those of its binding, None without any."""

    binding: str
    order: int
    stage: str
    kind: str
    fate: PlaceFate
    policies: DecisionDetails | None = None

    @property
    def depends(self) -> tuple[str, ...]:
        """The unknowns that its outcome depends on."""
        return () if self.policies is None else self.policies.depends


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRun:
    """The run of a flow for this user. `refusal` is the reason why they would not pass, else ""."""

    slug: str
    name: str
    role: str  # "authentication" and "authorization" on the way to an application, else the designation
    policies: DecisionDetails | None
    places: tuple[Place, ...]
    refusal: str = ""


async def authentication_run(flow: Flow, situation: UserSituation) -> FlowRun:
    """Simulate the authentication flow. The user is unknown until the identification stage."""
    return await _Walk(flow, situation, role="authentication", facts={}, signed_in=False).run()


async def authorization_run(flow: Flow, situation: UserSituation, facts: Mapping[str, object]) -> FlowRun:
    """Simulate the authorization flow, for a signed-in user."""
    return await _Walk(flow, situation, role="authorization", facts=facts, signed_in=True).run()


async def simulate(flow: Flow, situation: UserSituation, *, signed_in: bool, facts: Mapping[str, object]) -> FlowRun:
    """Simulate any flow for a user, who is signed in already or has yet to identify. `facts` is the plan's context."""
    return await _Walk(flow, situation, role=flow.designation, facts=facts, signed_in=signed_in).run()


class _Walk:
    """One run of a flow: the policies of all stage bindings when the plan is made, then again at each stage.

    `facts` is the known context of the plan. Expressions change it for the policies after them.
    """

    def __init__(
        self,
        flow: Flow,
        situation: UserSituation,
        *,
        role: str,
        facts: Mapping[str, object],
        signed_in: bool,
    ) -> None:
        self._flow = flow
        self._situation = situation
        self._facts = dict(facts)
        self._subject = situation.subject if signed_in else None
        self._made = FlowRun(slug=flow.slug, name=flow.name, role=role, policies=None, places=())

    async def run(self) -> FlowRun:
        """Return the run, up to the first stage that refuses."""
        # guard: A82 an explained flow applies only to whom it is for
        if not requirement_met(self._flow, self._subject, self._facts):
            return _with(self._made, refusal=f"the flow asks for {self._flow.authentication}")
        decision, examined = await self._examine(self._flow, self._subject)
        self._made = _with(self._made, policies=examined)
        # guard: A82 the policies of an explained flow decide
        if not decision.passing:
            return _with(self._made, refusal="the policies of the flow refuse" + _because(decision))
        planned = [await self._plan(binding) for binding in bindings_of(self._flow, self._situation.snapshot)]
        return await self._take(planned)

    async def _plan(self, binding: FlowStageBinding) -> tuple[FlowStageBinding, Place]:
        """Decide about a stage binding when the plan is made."""
        stage = self._situation.snapshot.resolve(STAGE, binding.stage)
        place = Place(
            binding=str(binding.pk),
            order=binding.order,
            stage=getattr(stage, "name", binding.stage),
            kind="" if stage is None else stage.KIND.verbose_name,
            fate="taken",
        )
        return binding, await self._decide(binding, place, self._subject) if binding.evaluate_on_plan else place

    async def _take(self, planned: Sequence[tuple[FlowStageBinding, Place]]) -> FlowRun:
        """Go through the stages. Evaluate policies again where the binding says so."""
        known = self._subject
        for binding, place in planned:
            stage = self._situation.snapshot.resolve(STAGE, binding.stage)
            if binding.re_evaluate_policies and place.fate == "taken":
                place = await self._decide(binding, place, known)  # noqa: PLW2901 - as its binding leaves it
            if isinstance(stage, IdentificationStage):
                known = self._situation.subject
            self._made = _with(self._made, places=(*self._made.places, place))
            if (stops := _stops(place, stage)) and not place.depends:
                return _with(self._made, refusal=stops)
        return self._made

    async def _decide(self, binding: FlowStageBinding, place: Place, subject: Subject | None) -> Place:
        decision, examined = await self._examine(binding, subject)
        fate = _FATES[fate_of(decision, binding, self._situation.snapshot)]
        return dataclasses.replace(place, fate=fate, policies=examined if examined.steps else None)

    async def _examine(
        self, target: Flow | FlowStageBinding, subject: Subject | None
    ) -> tuple[Decision, DecisionDetails]:
        """Evaluate the policies of a target, and apply the changes of their expressions to the context."""
        decision, examined = await decide_in_detail(
            str(target.pk),
            target.policy_engine_mode,
            self._situation,
            subject=subject,
            facts={**self._facts, "flow_plan": {"context": self._facts}},
            in_flow=True,
        )
        self._facts = allowed_changes(decision.changes, self._facts).applied(self._facts)
        return decision, examined


def _stops(place: Place, stage: Resource | None) -> str:
    """Return the reason why nobody passes a stage, else ""."""
    if place.fate == "refuses":
        return f"a policy at stage {place.stage} could not be evaluated"
    if place.fate == "taken" and isinstance(stage, DenyStage):
        return f"stage {place.stage} refuses"
    return ""


def _because(decision: Decision) -> str:
    return f": {' '.join(decision.messages)}" if decision.messages else ""


def _with(run: FlowRun, **changes: object) -> FlowRun:
    return dataclasses.replace(run, **changes)  # type: ignore[arg-type]
