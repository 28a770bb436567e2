"""The effects of the expressions of a decision: collected during the decision, carried out by the caller."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from datetime import date
from typing import TYPE_CHECKING, Final

from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.policies.policy_request import PolicyRequest, PolicyResult
    from ostiary.sandbox.evaluation.result import Effects
    from ostiary.store.database import Statement

_PLAN: Final = "flow_plan"


@dataclass(frozen=True, slots=True)
class ContextChanges:
    """Changes to a plan context: keys to set, and keys to remove."""

    put: Mapping[str, object] = field(default_factory=dict)
    drop: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Return whether there is any change."""
        return bool(self.put or self.drop)

    def applied(self, context: Mapping[str, object]) -> dict[str, object]:
        """Return the context with these changes."""
        return {**{name: value for name, value in context.items() if name not in self.drop}, **self.put}

    def then(self, later: ContextChanges) -> ContextChanges:
        """Return these changes followed by later ones."""
        put = {name: value for name, value in self.put.items() if name not in later.drop}
        drop = [name for name in self.drop if name not in later.put]
        return ContextChanges({**put, **later.put}, tuple(dict.fromkeys([*drop, *later.drop])))


NO_CHANGES: Final = ContextChanges()


def context_changes(before: Mapping[str, object], after: Mapping[str, object]) -> ContextChanges:
    """Return the changes from `before` to `after`. Objects become the data that plans have for them."""
    known = {name: _known(value, before.get(name)) for name, value in after.items()}
    put = {name: value for name, value in known.items() if name not in before or before[name] != value}
    return ContextChanges(put, tuple(name for name in before if name not in after and name != _PLAN))


def _known(value: object, before: object) -> object:
    """Return the plan context's data for a value. `before` is the former value."""
    from ostiary.sandbox.evaluation.object_fields import ObjectReference  # noqa: PLC0415 - not for those without expressions

    if isinstance(value, ObjectReference):
        if isinstance(before, Mapping) and before.get("pk") == value.pk:
            return before
        if value.kind == "group":
            return str(value.pk)
        return {"pk": value.pk, "username" if value.kind == "user" else "name": value.name}
    if isinstance(before, date) and value == before.isoformat():
        return before  # it leaves an expression as a text
    if isinstance(value, Mapping):
        below = before if isinstance(before, Mapping) else {}
        return {name: _known(item, below.get(name)) for name, item in value.items()}
    return [_known(item, None) for item in value] if isinstance(value, list) else value


class DecisionEffects:
    """The effects of one decision."""

    def __init__(self, policy_request: PolicyRequest) -> None:
        self._policy_request = policy_request
        self.plan = ContextChanges()
        self._noted: list[tuple[str, Effects]] = []
        self._writes: list[Statement] = []

    @property
    def policy_request(self) -> PolicyRequest:
        """The request to the next policy, with the context changes of the policies before."""
        return self._policy_request

    def note(self, policy: str, verdict: PolicyResult) -> None:
        """Add the effects of a policy."""
        self._writes += verdict.writes
        for result in verdict.results():
            self._noted.append((policy, result.effects))
            self._change(result.effects)

    def _change(self, effects: Effects) -> None:
        context = self._policy_request.context
        facts = {name: context.facts[name] for name in context.facts}
        shared = dict(context.shared)
        if effects.plan is not None:
            changes = context_changes(facts, effects.plan)
            self.plan = self.plan.then(changes)
            facts = changes.applied(facts)
        if effects.context is not None:
            put = context_changes({**facts, **shared}, effects.context).put
            # Changes of `request.context` alone are for the policies of this decision, not for the plan.
            facts, shared = (facts, {**shared, **put}) if context.in_flow else ({**facts, **put}, shared)
        if effects.plan is not None or effects.context is not None:
            changed = dataclasses.replace(context, facts=facts, shared=shared)
            self._policy_request = dataclasses.replace(self._policy_request, context=changed)

    def statements(self) -> tuple[Statement, ...]:
        """Return all statements, including events and mails, and write the log lines. In a trial nothing is done."""
        context, subject = self._policy_request.context, self._policy_request.subject
        # guard: A80 a trial does nothing of what expressions want
        if context.trial:
            return ()
        found = list(self._writes)
        if not self._noted:
            return tuple(found)
        from ostiary.sandbox.evaluation.effects import effect_statements, write_log  # noqa: PLC0415 - as above

        for policy, effects in self._noted:
            write_log(effects, f"policy {policy}")
            who = None if subject is None else subject.user.who
            found += effect_statements(effects, user=who, client_ip=context.client_ip, now=context.now)
        return tuple(found)


def describe_effects(verdict: PolicyResult) -> tuple[str, ...]:
    """Return descriptions of the effects of expressions."""
    if not (results := tuple(verdict.results())):
        return ()
    from ostiary.sandbox.evaluation.effects import effects_in_words  # noqa: PLC0415 - as above

    return tuple(words for result in results for words in effects_in_words(result.effects))
