"""What expressions of a decision would like done: gathered while it is made, and done by whoever acts on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from datetime import date
from typing import TYPE_CHECKING, Final

from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.policies.verdict import Question, Verdict
    from ostiary.sandbox.answering.result import Effects
    from ostiary.store.database import Statement

_PLAN: Final = "flow_plan"


@dataclass(frozen=True, slots=True)
class ContextChanges:
    """Keys of a plan's context that are to be set, and those that are to go."""

    put: Mapping[str, object] = field(default_factory=dict)
    drop: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self.put or self.drop)

    def applied(self, context: Mapping[str, object]) -> dict[str, object]:
        """Return a context with the changes."""
        return {**{name: value for name, value in context.items() if name not in self.drop}, **self.put}

    def then(self, later: ContextChanges) -> ContextChanges:
        """Return these changes with later ones on top."""
        put = {name: value for name, value in self.put.items() if name not in later.drop}
        drop = [name for name in self.drop if name not in later.put]
        return ContextChanges({**put, **later.put}, tuple(dict.fromkeys([*drop, *later.drop])))


NO_CHANGES: Final = ContextChanges()


def changes_between(before: Mapping[str, object], after: Mapping[str, object]) -> ContextChanges:
    """Return what makes `after` of `before`. Objects that an expression put there become what plans know of them."""
    known = {name: _known(value, before.get(name)) for name, value in after.items()}
    put = {name: value for name, value in known.items() if name not in before or before[name] != value}
    return ContextChanges(put, tuple(name for name in before if name not in after and name != _PLAN))


def _known(value: object, before: object) -> object:
    """Return what a plan's context has for a value; `before` is what stood there."""
    from ostiary.sandbox.answering.views import ObjectReference  # noqa: PLC0415 - not for those without expressions

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


class Wishes:
    """The wishes of one decision."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self.plan = ContextChanges()
        self._noted: list[tuple[str, Effects]] = []
        self._writes: list[Statement] = []

    @property
    def question(self) -> Question:
        """The question for the next policy: its context is as the policies before have left it."""
        return self._question

    def note(self, policy: str, verdict: Verdict) -> None:
        """Note what a policy wants."""
        self._writes += verdict.writes
        for result in verdict.results():
            self._noted.append((policy, result.effects))
            self._change(result.effects)

    def _change(self, effects: Effects) -> None:
        context = self._question.context
        facts = {name: context.facts[name] for name in context.facts}
        beside = dict(context.beside)
        if effects.plan is not None:
            changes = changes_between(facts, effects.plan)
            self.plan = self.plan.then(changes)
            facts = changes.applied(facts)
        if effects.context is not None:
            put = changes_between({**facts, **beside}, effects.context).put
            # What stands in `request.context` alone is for the policies of this decision; a plan does not keep it.
            facts, beside = (facts, {**beside, **put}) if context.in_flow else ({**facts, **put}, beside)
        if effects.plan is not None or effects.context is not None:
            changed = dataclasses.replace(context, facts=facts, beside=beside)
            self._question = dataclasses.replace(self._question, context=changed)

    def statements(self) -> tuple[Statement, ...]:
        """Return what is to be written, events and mails included, and write the log lines. In a trial: nothing."""
        context, subject = self._question.context, self._question.subject
        # guard: A80 a trial does nothing of what expressions want
        if context.trial:
            return ()
        found = list(self._writes)
        if not self._noted:
            return tuple(found)
        from ostiary.sandbox.answering.performing import statements_of, write_log  # noqa: PLC0415 - as above

        for policy, effects in self._noted:
            write_log(effects, f"policy {policy}")
            who = None if subject is None else subject.user.who
            found += statements_of(effects, user=who, client_ip=context.client_ip, now=context.now)
        return tuple(found)


def in_words(verdict: Verdict) -> tuple[str, ...]:
    """Say what expressions want done."""
    if not (results := tuple(verdict.results())):
        return ()
    from ostiary.sandbox.answering.performing import effects_in_words  # noqa: PLC0415 - as above

    return tuple(words for result in results for words in effects_in_words(result.effects))
