"""What expressions of a decision want: done by whoever acts on it, and by nobody in a trial."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ostiary.policies.context import PolicyContext
from ostiary.policies.decide import Decision, decide
from ostiary.policies.decision_effects import ContextChanges, context_changes
from ostiary.policies.kinds.expression import ExpressionPolicy
from ostiary.policies.resources import PolicyBinding
from ostiary.policies.room import ROOM
from ostiary.policies.services import PolicyServices
from ostiary.resource import Registry
from ostiary.sandbox.evaluation.errors import ExpressionFailed
from ostiary.sandbox.evaluation.evaluator import Evaluator
from ostiary.sandbox.evaluation.expression_context import Expression, ExpressionContext
from ostiary.sandbox.evaluation.object_fields import ObjectReference
from ostiary.sandbox.evaluation.result import Effects, Evaluation, WantedEvent
from ostiary.store.configuration.snapshot import Snapshot

NOW = 1_800_000_000_000_000
TARGET = str(uuid.uuid4())
REGISTRY = Registry(ROOM.kinds)


class Answers:
    """An evaluator that has an answer for each text, and remembers what it was asked with."""

    def __init__(self, answers: Mapping[str, Evaluation | str]) -> None:
        self._answers = answers
        self.scenes: list[ExpressionContext] = []

    async def evaluate(self, expression: Expression, expression_context: ExpressionContext) -> Evaluation:
        self.scenes.append(expression_context)
        found = self._answers[expression.source]
        if isinstance(found, str):
            raise ExpressionFailed(found, line=3)
        return found


async def decided(answers: Answers, *sources: str, trial: bool = False, **facts: object) -> Decision:
    policies = [ExpressionPolicy(pk=str(uuid.uuid4()), name=source, expression=source) for source in sources]
    bindings = [
        PolicyBinding(pk=str(uuid.uuid4()), policy=str(one.pk), target=TARGET, order=order)
        for order, one in enumerate(policies)
    ]
    context = PolicyContext(
        now=NOW,
        facts={**facts, "flow_plan": {"context": facts}},
        in_flow=True,
        services=PolicyServices({Evaluator: answers}.__getitem__),
        trial=trial,
    )
    snapshot = Snapshot.of(REGISTRY, [*policies, *bindings])
    return await decide(subject=None, target_pk=TARGET, mode="all", snapshot=snapshot, context=context)


def says(**values: Any) -> Evaluation:
    return Evaluation(**{"passing": True, **values})


async def test_messages_events_and_changes_come_with_the_decision() -> None:
    wants = Effects(messages=("hello",), events=(WantedEvent("gate", {"n": 1}),), plan={"a": 1, "b": 2})
    found = await decided(Answers({"one": says(effects=wants, seconds=0.002)}), "one", a=1, old=3)
    assert (found.passing, found.messages) == (True, ("hello",))
    assert found.changes == ContextChanges({"b": 2}, ("old",))
    assert ["custom_gate" in one.parameters for one in found.events] == [True]
    (step,) = found.trace.steps
    assert (step.how, step.duration) == ("executed", 2000)
    assert step.effects == ("leaves the plan's context with a, b", "writes an event gate")


async def test_a80_a_trial_does_nothing_of_it() -> None:
    wants = Effects(events=(WantedEvent("gate", {}),))
    answers = Answers({"one": says(effects=wants)})
    assert not (await decided(answers, "one", trial=True)).events
    assert answers.scenes[0].trial


async def test_what_one_expression_changes_the_next_one_sees() -> None:
    answers = Answers({
        "one": says(effects=Effects(plan={"a": 2, "who": ObjectReference("user", 7, "ada")}, context={"a": 2, "t": 1})),
        "two": says(effects=Effects(plan={"a": 2, "who": ObjectReference("user", 7, "ada")})),
    })  # fmt: skip
    found = await decided(answers, "one", "two", a=1)
    facts = answers.scenes[1].facts
    assert {name: facts[name] for name in facts if name != "flow_plan"} == {"a": 2, "who": {"pk": 7, "username": "ada"}}
    assert answers.scenes[1].shared == {"t": 1}
    assert found.changes == ContextChanges({"a": 2, "who": {"pk": 7, "username": "ada"}})


async def test_a_failure_names_the_line_and_keeps_what_others_want() -> None:
    answers = Answers({"one": says(effects=Effects(plan={"a": 2})), "two": "KeyError: x"})
    found = await decided(answers, "one", "two", a=1)
    assert not found.passing
    assert found.trace.steps[1].error == "line 3: KeyError: x"
    assert found.changes == ContextChanges({"a": 2})


async def test_what_a_trial_does_not_ask_leaves_the_decision_open() -> None:
    found = await decided(Answers({"one": says(depends="resolve_dns('x')")}), "one", trial=True)
    assert found.undecided
    assert found.trace.steps[0].error == "depends on resolve_dns('x')"


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ({"u": {"pk": 7, "more": 1}}, {"u": ObjectReference("user", 7, "ada")}, ContextChanges()),
        ({"u": {"pk": 8}}, {"u": ObjectReference("user", 7, "ada")}, ContextChanges({"u": {"pk": 7, "username": "ada"}})),
        ({}, {"groups": [ObjectReference("group", "g", "staff")]}, ContextChanges({"groups": ["g"]})),
        ({"flow_plan": 1, "a": 1}, {}, ContextChanges({}, ("a",))),
        ({"d": {"u": {"pk": 7}}}, {"d": {"u": ObjectReference("user", 7, "ada")}}, ContextChanges()),
    ],
)  # fmt: skip
def test_objects_become_what_plans_know_of_them(before: Any, after: Any, changes: ContextChanges) -> None:
    assert context_changes(before, after) == changes


def test_changes_follow_each_other() -> None:
    first, second = ContextChanges({"a": 1, "b": 1}, ("c",)), ContextChanges({"c": 2}, ("a",))
    assert first.then(second) == ContextChanges({"b": 1, "c": 2}, ("a",))
    assert first.then(second).applied({"a": 0, "c": 0, "d": 0}) == {"b": 1, "c": 2, "d": 0}
    assert not replace(first, put={}, drop=())
