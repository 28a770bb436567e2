"""Trials: one policy or mapping evaluated for a user, with result, cost, and the unknowns it depends on.

A trial has no effects: it lists what would be written or sent, and makes no network request.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ostiary.events.sentences import HOW
from ostiary.mappings.claims import ClaimSet
from ostiary.mappings.mapping_context import MappingContext
from ostiary.mappings.scope_mapping import ScopeMapping
from ostiary.policies.context import PolicyContext
from ostiary.policies.decide import decide_policies
from ostiary.record import dataclass
from ostiary.resource import codec
from ostiary.signon.explain.decision_details import cost_of, depends_of
from ostiary.signon.explain.situation import ObservedFacts

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.mappings.resources import PropertyMapping
    from ostiary.policies.resources import Policy
    from ostiary.policies.services import PolicyServices
    from ostiary.sandbox.evaluation.evaluator import Evaluator
    from ostiary.store.configuration.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTrial:
    """The result of a policy. `step` is the step of its trace, as data. `cost` is in microseconds."""

    policy: Policy
    subject: Subject
    step: Mapping[str, object]
    cost: int
    depends: tuple[str, ...]
    revision: int

    @property
    def evaluated(self) -> bool:
        """Whether it could be evaluated."""
        return self.step["how"] != "failed"

    def data(self) -> dict[str, object]:
        """Return JSON data. `result` is None if it could not be evaluated."""
        return {
            "policy": _named(self.policy),
            "user": self.subject.user.who,
            "revision": self.revision,
            "result": self.step["raw"] if self.evaluated else None,
            "how": self.step["how"],
            "messages": self.step["messages"],
            "error": self.step["error"],
            "effects": self.step.get("effects", []),
            "depends": list(self.depends),
            "microseconds": self.cost,
        }

    def lines(self) -> Iterator[str]:
        """Yield the lines of the text."""
        name = f"{self.policy.name} ({self.policy.KIND.verbose_name})"
        who = self.subject.user.username
        if self.evaluated:
            yield f"{name} says {'yes' if self.step['raw'] else 'no'} to {who}."
        else:
            yield f"{name} cannot be evaluated for {who}: {self.step['error']}"
        data = self.data()
        yield from (f'  "{message}"' for message in _texts(data["messages"]))
        yield from (f"  would: {effect}" for effect in _texts(data["effects"]))
        yield from (f"  depends on {fact}" for fact in self.depends)
        yield f"  {HOW.get(str(self.step['how']), self.step['how'])}, {self.cost} µs"


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingTrial:
    """The result of a mapping, a mapping of claims for scopes. `error` is the reason if it failed.

    `cost` is in microseconds.
    """

    mapping: PropertyMapping
    subject: Subject
    values: object
    cost: int
    error: str = ""
    effects: tuple[str, ...] = ()

    def data(self) -> dict[str, object]:
        """Return JSON data."""
        return {
            "mapping": _named(self.mapping),
            "user": self.subject.user.who,
            "values": None if self.error else self.values,
            "error": self.error,
            "effects": list(self.effects),
            "microseconds": self.cost,
        }

    def lines(self) -> Iterator[str]:
        """Yield the lines of the text."""
        name = f"{self.mapping.name} ({self.mapping.KIND.verbose_name})"
        who = self.subject.user.username
        if self.error:
            yield f"{name} cannot be evaluated for {who}: {self.error}"
        elif not self.values:
            yield f"{name} gives nothing of {who}."
        elif not isinstance(self.values, Mapping):
            yield f"{name} gives of {who}: {codec.encode_canonical(self.values)}"
        else:
            yield f"{name} gives of {who}:"
            yield from (f"  {key}: {codec.encode_canonical(value)}" for key, value in sorted(self.values.items()))
        yield from (f"  would: {effect}" for effect in self.effects)
        yield f"  {self.cost} µs"


async def try_policy(
    policy: Policy,
    *,
    subject: Subject,
    snapshot: Snapshot,
    facts: Mapping[str, object],
    client_ip: str | None,
    now: int,
    services: PolicyServices,
) -> PolicyTrial:
    """Evaluate one policy for a user. `facts` is its `request.context`; with `flow_plan` it runs as in a flow.

    `now` is microseconds UTC.
    """
    watched = ObservedFacts(facts)
    begun = time.perf_counter_ns()
    decision = await decide_policies(
        [str(policy.pk)],
        subject=subject,
        snapshot=snapshot,
        context=PolicyContext(
            now=now, client_ip=client_ip, facts=watched, in_flow="flow_plan" in facts, services=services, trial=True
        ),
        target_pk="",
    )
    cost = (time.perf_counter_ns() - begun) // 1_000
    (step,) = decision.trace.data_of_steps()
    cost = cost_of(step, cost)
    depends = depends_of(step, watched)
    return PolicyTrial(policy=policy, subject=subject, step=step, cost=cost, depends=depends, revision=snapshot.number)


async def try_mapping(
    mapping: PropertyMapping, *, subject: Subject, now: int, evaluator: Evaluator, names: Mapping[str, object]
) -> MappingTrial:
    """Evaluate one mapping for a user. `names` are the variables of its kind. `now` is microseconds UTC."""
    begun = time.perf_counter_ns()
    mapping_context = MappingContext(now=now, evaluator=evaluator, names=names, trial=True)
    if not isinstance(mapping, ScopeMapping):
        return await _tried_in_sandbox(mapping, subject, mapping_context, evaluator)
    claims = await ClaimSet([mapping]).claims(subject, (mapping.scope_name,), mapping_context)
    cost = (time.perf_counter_ns() - begun) // 1_000
    error = next((item.reason for item in claims.failed), "")
    from ostiary.sandbox.evaluation.effects import effects_in_words  # noqa: PLC0415 - not for those without expressions

    effects = tuple(words for _, wanted in claims.effects for words in effects_in_words(wanted))
    return MappingTrial(mapping=mapping, subject=subject, values=claims.values, cost=cost, error=error, effects=effects)


async def _tried_in_sandbox(
    mapping: PropertyMapping, subject: Subject, mapping_context: MappingContext, evaluator: Evaluator
) -> MappingTrial:
    from ostiary.mappings.evaluation import mapping_value  # noqa: PLC0415 - not for those without expressions
    from ostiary.sandbox.evaluation.effects import effects_in_words  # noqa: PLC0415 - as above
    from ostiary.sandbox.evaluation.errors import ExpressionFailed  # noqa: PLC0415 - as above

    begun = time.perf_counter_ns()
    try:
        found = await mapping_value(mapping, subject, mapping_context, evaluator)
    except ExpressionFailed as failed:
        return MappingTrial(mapping=mapping, subject=subject, values=None, cost=_since(begun), error=str(failed))
    return MappingTrial(
        mapping=mapping,
        subject=subject,
        values=found.value,
        cost=_since(begun),
        error=f"depends on {found.depends}" if found.depends else "",
        effects=tuple(effects_in_words(found.effects)),
    )


def _since(begun: int) -> int:
    return (time.perf_counter_ns() - begun) // 1_000


def _named(item: Policy | PropertyMapping) -> dict[str, object]:
    return {"pk": str(item.pk), "name": item.name, "kind": item.KIND.name}


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
