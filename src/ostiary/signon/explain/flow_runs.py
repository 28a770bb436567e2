"""The flows that a sign-in would run, with what happens at each of their places."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, Literal

from ostiary.flows.plans.changes import allowed_changes
from ostiary.flows.plans.requirement import requirement_met
from ostiary.flows.resources import STAGE, Flow, FlowStageBinding
from ostiary.flows.run.planner import Fate, bindings_of, fate_of
from ostiary.flows.stages.deny import DenyStage
from ostiary.flows.stages.identification import IdentificationStage
from ostiary.record import dataclass
from ostiary.signon.explain.examining import examine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ostiary.directory.user import Subject
    from ostiary.policies.decide import Decision
    from ostiary.resource import Resource
    from ostiary.signon.explain.situation import Examined, Situation

PlaceFate = Literal["taken", "left out", "refuses"]
_FATES: Final[dict[Fate, PlaceFate]] = {"take": "taken", "leave": "left out", "refuse": "refuses"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A stage of a flow, and what becomes of it. `policies` are those of its place, None without any."""

    binding: str
    order: int
    stage: str
    kind: str
    fate: PlaceFate
    policies: Examined | None = None

    @property
    def depends(self) -> tuple[str, ...]:
        """What its fate depends on that is known only when the flow runs."""
        return () if self.policies is None else self.policies.depends


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRun:
    """A flow for this person. `refusal` says why they would not get through, "" when nothing known here stops them."""

    slug: str
    name: str
    role: Literal["authentication", "authorization"]
    policies: Examined | None
    places: tuple[Place, ...]
    refusal: str = ""


async def authentication_run(flow: Flow, situation: Situation) -> FlowRun:
    """Run through the flow that signs people in. Until the stage that asks who they are, nobody is known."""
    return await _Walk(flow, situation, role="authentication", facts={}).run()


async def authorization_run(flow: Flow, situation: Situation, facts: Mapping[str, object]) -> FlowRun:
    """Run through the flow that stands before the application, for a person who is signed in."""
    return await _Walk(flow, situation, role="authorization", facts=facts).run()


class _Walk:
    """One way through a flow: the policies of all places when the plan is made, then again at each place.

    `facts` is the context of the plan, as far as it is known; expressions change it for those that come after them.
    """

    def __init__(
        self,
        flow: Flow,
        situation: Situation,
        *,
        role: Literal["authentication", "authorization"],
        facts: Mapping[str, object],
    ) -> None:
        self._flow = flow
        self._situation = situation
        self._facts = dict(facts)
        self._subject = situation.subject if role == "authorization" else None
        self._made = FlowRun(slug=flow.slug, name=flow.name, role=role, policies=None, places=())

    async def run(self) -> FlowRun:
        """Return what happens, up to the first place that nobody gets past."""
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
        """Decide about a place when the plan is made."""
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
        """Go through the places, each decided about again where its binding wants that."""
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

    async def _examine(self, target: Flow | FlowStageBinding, subject: Subject | None) -> tuple[Decision, Examined]:
        """Ask the policies of a target. What their expressions change in the context, the next ones see."""
        decision, examined = await examine(
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
    """Return why nobody gets past a place."""
    if place.fate == "refuses":
        return f"a policy at stage {place.stage} could not be evaluated"
    if place.fate == "taken" and isinstance(stage, DenyStage):
        return f"stage {place.stage} refuses"
    return ""


def _because(decision: Decision) -> str:
    return f": {' '.join(decision.messages)}" if decision.messages else ""


def _with(run: FlowRun, **changes: object) -> FlowRun:
    return dataclasses.replace(run, **changes)  # type: ignore[arg-type]
