"""The details of a policy decision: the result and the cost of each binding, from the engine of sign-in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from ostiary.policies.decide import Decision, decide, has_bindings
from ostiary.policies.errors import DEPENDS
from ostiary.policies.resources import POLICY, PolicyBinding
from ostiary.signon.explain.situation import BindingResult, DecisionDetails, ObservedFacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ostiary.directory.user import Subject
    from ostiary.signon.explain.situation import UserSituation
    from ostiary.store.configuration.snapshot import Snapshot


async def decide_in_detail(
    target_pk: str,
    mode: Literal["all", "any"],
    situation: UserSituation,
    *,
    subject: Subject | None,
    facts: Mapping[str, object],
    in_flow: bool = False,
) -> tuple[Decision, DecisionDetails]:
    """Decide about an object, then about each binding alone, to find its cost and the unknown facts it depends on."""
    is_sso = facts.get("is_sso") is True
    context = situation.context(ObservedFacts(facts), is_sso=is_sso, in_flow=in_flow)
    snapshot = situation.snapshot
    decision = await decide(subject=subject, target_pk=target_pk, mode=mode, snapshot=snapshot, context=context)
    steps = []
    for step in decision.trace.data_of_steps():
        watched = ObservedFacts(facts)
        alone = _alone(str(step["binding"]), target_pk, snapshot)
        context = situation.context(watched, is_sso=is_sso, in_flow=in_flow)
        begun = time.perf_counter_ns()
        await decide(subject=subject, target_pk=target_pk, mode=mode, snapshot=alone, context=context)
        cost = (time.perf_counter_ns() - begun) // 1_000
        steps.append(BindingResult(step, cost_of(step, cost), depends_of(step, watched)))
    examined = DecisionDetails(
        mode=mode,
        passing=decision.passing,
        undecided=decision.undecided,
        messages=decision.messages,
        steps=tuple(steps),
    )
    return decision, examined


def cost_of(step: Mapping[str, object], measured: int) -> int:
    """Return the cost of a step in microseconds. For an expression, the start of a worker does not count."""
    duration = step.get("duration")
    return duration if isinstance(duration, int) else measured


def depends_of(step: Mapping[str, object], facts: ObservedFacts) -> tuple[str, ...]:
    """Return the unknowns that a step depends on: missing facts, and network requests that a trial does not make."""
    missed = [f"request.context[{name!r}]" for name in sorted(facts.missed)]
    error = str(step["error"])
    return (*missed, error.removeprefix(DEPENDS)) if error.startswith(DEPENDS) else tuple(missed)


def _alone(binding: str, target_pk: str, snapshot: Snapshot) -> Snapshot:
    """Return a snapshot in which the object has only this binding, with its indexes built."""
    others = [one for one in snapshot.referring(PolicyBinding, "target", target_pk) if str(one.pk) != binding]
    alone = snapshot.changed(number=snapshot.number, put=(), drop=[(one.KIND.name, one.pk) for one in others])
    has_bindings(target_pk, alone)
    alone.resolve(POLICY, "")
    return alone
