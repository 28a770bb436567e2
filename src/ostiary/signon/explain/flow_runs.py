"""The flows that a sign-in would run, with what happens at each of their places."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, Literal

from ostiary.flows.plans.requirement import requirement_met
from ostiary.flows.resources import STAGE, Flow, FlowStageBinding
from ostiary.flows.run.planner import Fate, bindings_of, fate_of
from ostiary.flows.stages.deny import DenyStage
from ostiary.flows.stages.identification import IdentificationStage
from ostiary.record import dataclass
from ostiary.signon.explain.examining import examine

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    return await _run(flow, situation, role="authentication", facts={})


async def authorization_run(flow: Flow, situation: Situation, facts: Mapping[str, object]) -> FlowRun:
    """Run through the flow that stands before the application, for a person who is signed in."""
    return await _run(flow, situation, role="authorization", facts=facts)


async def _run(
    flow: Flow, situation: Situation, *, role: Literal["authentication", "authorization"], facts: Mapping[str, object]
) -> FlowRun:
    subject = situation.subject if role == "authorization" else None
    is_sso = facts.get("is_sso") is True
    made = FlowRun(slug=flow.slug, name=flow.name, role=role, policies=None, places=())
    # guard: A89 an explained flow applies only to whom it is for
    if not requirement_met(flow, subject, facts):
        return _with(made, refusal=f"the flow asks for {flow.authentication}")
    decision, examined = await examine(
        str(flow.pk), flow.policy_engine_mode, situation, subject=subject, facts=facts, is_sso=is_sso
    )
    made = _with(made, policies=examined)
    # guard: A89 the policies of an explained flow decide
    if not decision.passing:
        return _with(made, refusal="the policies of the flow refuse" + _because(decision))
    places: list[Place] = []
    known = subject
    for binding in bindings_of(flow, situation.snapshot):
        place = await _place(binding, situation, before=subject, known=known, facts=facts, is_sso=is_sso)
        places.append(place)
        stage = situation.snapshot.resolve(STAGE, binding.stage)
        if isinstance(stage, IdentificationStage):
            known = situation.subject
        made = _with(made, places=tuple(places))
        if (stops := _stops(place, stage)) and not place.depends:
            return _with(made, refusal=stops)
    return made


async def _place(
    binding: FlowStageBinding,
    situation: Situation,
    *,
    before: Subject | None,
    known: Subject | None,
    facts: Mapping[str, object],
    is_sso: bool,
) -> Place:
    """Decide when the plan is made, and again when its turn comes, as the binding wants it."""
    stage = situation.snapshot.resolve(STAGE, binding.stage)
    fate: PlaceFate = "taken"
    examined: Examined | None = None
    for wanted, subject in ((binding.evaluate_on_plan, before), (binding.re_evaluate_policies, known)):
        if wanted and fate == "taken":
            decision, examined = await examine(
                str(binding.pk), binding.policy_engine_mode, situation, subject=subject, facts=facts, is_sso=is_sso
            )
            fate = _FATES[fate_of(decision, binding, situation.snapshot)]
    return Place(
        binding=str(binding.pk),
        order=binding.order,
        stage=getattr(stage, "name", binding.stage),
        kind="" if stage is None else stage.KIND.verbose_name,
        fate=fate,
        policies=examined if examined is not None and examined.steps else None,
    )


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
