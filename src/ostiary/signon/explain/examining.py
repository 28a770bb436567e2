"""The bindings of one object, each decided with its cost, by the engine that decides at a sign-in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from ostiary.policies.decide import Decision, decide, has_bindings
from ostiary.policies.resources import POLICY, PolicyBinding
from ostiary.signon.explain.situation import Examined, ExaminedStep, WatchedFacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ostiary.directory.user import Subject
    from ostiary.signon.explain.situation import Situation
    from ostiary.store.configuration.snapshot import Snapshot


async def decide_about(
    target_pk: str,
    mode: Literal["all", "any"],
    situation: Situation,
    *,
    subject: Subject | None,
    facts: Mapping[str, object],
    is_sso: bool = False,
) -> Decision:
    """Decide about an object of the situation's configuration. The caller drops what it would write."""
    return await decide(
        subject=subject,
        target_pk=target_pk,
        mode=mode,
        snapshot=situation.snapshot,
        context=situation.context(WatchedFacts(facts), is_sso=is_sso),
    )


async def examine(
    target_pk: str,
    mode: Literal["all", "any"],
    situation: Situation,
    *,
    subject: Subject | None,
    facts: Mapping[str, object],
    is_sso: bool = False,
) -> tuple[Decision, Examined]:
    """Decide about an object, then about each of its bindings alone, for cost and what it depends on."""
    decision = await decide_about(target_pk, mode, situation, subject=subject, facts=facts, is_sso=is_sso)
    steps = []
    for step in decision.trace.data_of_steps():
        watched = WatchedFacts(facts)
        alone = _alone(str(step["binding"]), target_pk, situation.snapshot)
        context = situation.context(watched, is_sso=is_sso)
        begun = time.perf_counter_ns()
        await decide(subject=subject, target_pk=target_pk, mode=mode, snapshot=alone, context=context)
        cost = (time.perf_counter_ns() - begun) // 1_000
        steps.append(ExaminedStep(step, cost, tuple(f"request.context[{name!r}]" for name in sorted(watched.missed))))
    examined = Examined(
        mode=mode,
        passing=decision.passing,
        undecided=decision.undecided,
        messages=decision.messages,
        steps=tuple(steps),
    )
    return decision, examined


def _alone(binding: str, target_pk: str, snapshot: Snapshot) -> Snapshot:
    """Return a configuration in which the object has this binding only, its indexes built."""
    others = [one for one in snapshot.referring(PolicyBinding, "target", target_pk) if str(one.pk) != binding]
    alone = snapshot.changed(number=snapshot.number, put=(), drop=[(one.KIND.name, one.pk) for one in others])
    has_bindings(target_pk, alone)
    alone.resolve(POLICY, "")
    return alone
