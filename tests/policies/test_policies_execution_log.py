"""`execution_logging`: an event for each evaluation of a policy, with its result and how it came about."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from ostiary.directory.user import Subject, User
from ostiary.policies.context import PolicyContext
from ostiary.policies.decide import Decision, decide
from ostiary.policies.kinds.expression import ExpressionPolicy
from ostiary.policies.resources import PolicyBinding
from ostiary.policies.room import ROOM
from ostiary.policies.services import PolicyServices
from ostiary.resource import Registry
from ostiary.sandbox.evaluation.errors import ExpressionFailed
from ostiary.sandbox.evaluation.evaluator import Evaluator
from ostiary.sandbox.evaluation.expression_context import Expression, ExpressionContext
from ostiary.sandbox.evaluation.result import Effects, Evaluation, WantedEvent
from ostiary.store.configuration.snapshot import Snapshot

NOW = 1_800_000_000_000_000
REGISTRY = Registry(ROOM.kinds)
USER = User(
    pk=7, uuid="u", username="robin", name="Robin", email="robin@wood.example", is_active=True, type="internal",
    path="users", attributes={}, password="hash", last_login=None, date_joined=NOW, password_change_date=NOW,
    last_updated=NOW,
)  # fmt: skip
ROBIN = Subject(
    user=USER, uid="uid", groups=(), every_group=(), all_groups=frozenset(), all_group_names=frozenset(),
    is_superuser=False, attributes={},
)  # fmt: skip


class Answer:
    """An evaluator with one answer."""

    async def evaluate(self, expression: Expression, expression_context: ExpressionContext) -> Evaluation:
        del expression_context
        if "fails" in expression.source:
            raise ExpressionFailed("KeyError: x", line=2, seconds=0.25)
        effects = Effects(messages=("hello",), events=(WantedEvent("seen"),))
        return Evaluation(passing="yes" in expression.source, value=1, effects=effects, seconds=0.5)


class House:
    """One policy that is bound to one thing."""

    def __init__(self, source: str, **binding: Any) -> None:
        self.target = str(uuid.uuid4())
        policy = ExpressionPolicy(pk=str(uuid.uuid4()), name="p", expression=source, execution_logging=True)
        quiet = ExpressionPolicy(pk=str(uuid.uuid4()), name="quiet", expression="return len('yes')")
        bound = [
            PolicyBinding(pk=str(uuid.uuid4()), policy=str(one.pk), target=self.target, order=order, **binding)
            for order, one in enumerate((policy, quiet))
        ]
        self.snapshot = Snapshot.of(REGISTRY, [policy, quiet, *bound])

    async def decided(self, who: Subject | None = ROBIN, *, trial: bool = False, now: int = NOW) -> Decision:
        services = PolicyServices({Evaluator: Answer()}.__getitem__)
        context = PolicyContext(now=now, client_ip="192.0.2.1", services=services, trial=trial)
        return await decide(subject=who, target_pk=self.target, mode="all", snapshot=self.snapshot, context=context)

    async def told(self, *of: Any, **more: Any) -> list[dict[str, Any]]:
        """Return the contexts of the events of evaluations."""
        found = await self.decided(*of, **more)
        contexts = []
        for statement in found.events:
            if "policy_execution" in statement.parameters:
                contexts += [json.loads(one) for one in statement.parameters if isinstance(one, str) and '"how"' in one]
        return contexts


@pytest.mark.parametrize(
    ("source", "binding", "expected"),
    [
        ("return len('yes')", {}, {"result": True, "raw": True, "how": "executed", "microseconds": 500_000}),
        ("return len('no')", {"negate": True}, {"result": True, "raw": False, "how": "executed"}),
        ("return True", {}, {"result": True, "how": "recognised", "messages": [], "effects": [], "microseconds": None}),
        ("return fails()", {}, {"result": False, "how": "failed", "error": "line 2: KeyError: x", "microseconds": 250_000}),
    ],
)  # fmt: skip
async def test_each_evaluation_is_an_event_with_its_trace(
    source: str, binding: dict[str, Any], expected: dict[str, object]
) -> None:
    (told,) = await House(source, **binding).told()
    assert told["policy"] == "p"
    assert told["message"] == f"policy p {'passed' if expected['result'] else 'failed'}"
    assert {name: told[name] for name in expected} == expected
    if expected["how"] == "executed":
        assert (told["messages"], told["effects"]) == (["hello"], ["writes an event seen"])


async def test_a_disabled_binding_is_no_evaluation() -> None:
    assert await House("return True", enabled=False).told() == []


async def test_a80_a_trial_writes_no_event() -> None:
    assert await House("return True").told(trial=True) == []


async def test_a68_strangers_write_one_event_a_minute() -> None:
    house = House("return True")
    assert [len(await house.told(None)) for _ in range(3)] == [1, 0, 0]
    assert len(await house.told(None, now=NOW + 60_000_000)) == 1
    assert [len(await house.told()) for _ in range(2)] == [1, 1]


async def test_the_trace_has_the_duration_of_what_failed() -> None:
    (step, _) = (await House("return fails()").decided()).trace.steps
    assert (step.how, step.duration) == ("failed", 250_000)
