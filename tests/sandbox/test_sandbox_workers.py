"""Programs run in worker processes: what they see, what they may call, and how their runs end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

import pytest
import pytest_asyncio

from ostiary.sandbox.workers import (
    Aborted,
    AbortReason,
    Finish,
    HostError,
    HostFunction,
    HostObject,
    Limits,
    Outcome,
    Program,
    Returned,
    Workers,
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workers() -> AsyncIterator[Workers]:
    workers = Workers()
    yield workers
    await workers.close()


pytestmark = pytest.mark.asyncio(loop_scope="module")


def value_of(outcome: Outcome) -> object:
    assert isinstance(outcome, Returned), outcome
    return outcome.value


def reason_of(outcome: Outcome) -> AbortReason:
    assert isinstance(outcome, Aborted), outcome
    return outcome.reason


async def test_the_value_of_the_last_line_is_the_result(workers: Workers) -> None:
    outcome = await workers.run(Program("print('summing')\nsum(numbers) + 1"), inputs={"numbers": [1, 2]})
    assert isinstance(outcome, Returned)
    assert (outcome.value, outcome.printed) == (4, "summing\n")


async def test_a56_a_program_reads_of_an_object_what_it_names(workers: Workers) -> None:
    async def groups() -> list[HostObject]:
        await asyncio.sleep(0)
        return [HostObject("Group", {"name": "staff"})]

    ada = HostObject("User", {"name": "ada"}, {"groups": groups}, {"has": lambda name: name == "x"}, origin=7)
    program = Program(
        "[user.name, [group.name for group in user.groups], user.has('x'), type(user).__name__, origin(user)]"
    )
    outcome = await workers.run(program, inputs={"user": ada}, functions={"origin": lambda user: user.origin})
    assert value_of(outcome) == ["ada", ["staff"], True, "User", 7]
    eve = HostObject("User", origin=lambda: "what stands behind it")
    assert reason_of(await workers.run(Program("user.origin()"), inputs={"user": eve})) is AbortReason.ERROR
    for attempt in ("user.origin", "user.values", "user.one", "user.has.__self__", "user.methods"):
        assert reason_of(await workers.run(Program(attempt), inputs={"user": ada})) is AbortReason.ERROR


async def test_an_object_that_comes_back_is_the_same(workers: Workers) -> None:
    ada = HostObject("User", {"name": "ada"})
    assert value_of(await workers.run(Program("{'of': [user]}"), inputs={"user": ada})) == {"of": [ada]}


async def test_objects_hold_objects(workers: Workers) -> None:
    staff = HostObject("Group", {"name": "staff"})
    ada = HostObject("User", {"name": "ada", "groups": [staff, HostObject("Group", {"name": "all"})], "first": staff})
    program = Program("[[group.name for group in request.user.groups], request.user.first == request.user.groups[0]]")
    outcome = await workers.run(program, inputs={"request": HostObject("PolicyRequest", {"user": ada})})
    assert value_of(outcome) == [["staff", "all"], True]


async def test_modules_have_functions_of_their_own(workers: Workers) -> None:
    program = Program("from people import find\nimport other\n[find('ada'), other.find('ada'), other.LIMIT]")
    modules: dict[str, dict[str, object]] = {"people": {"find": str.upper}, "other": {"find": str.title, "LIMIT": 3}}
    assert value_of(await workers.run(program, modules=modules)) == ["ADA", "Ada", 3]


async def test_a56_a_program_sees_errors_of_the_host_that_are_meant_for_it(workers: Workers) -> None:
    def find(name: str) -> None:
        raise HostError(f"no policy {name}", KeyError)

    def broken() -> None:
        raise RuntimeError("password=hunter2")

    functions: dict[str, HostFunction] = {"find": find, "broken": broken}
    caught = Program("try:\n    find('x')\nexcept KeyError as error:\n    said = str(error)\nsaid")
    assert value_of(await workers.run(caught, functions=functions)) == "'no policy x'"
    outcome = await workers.run(Program("broken()"), functions=functions)
    assert isinstance(outcome, Aborted)
    assert (outcome.reason, outcome.message) == (AbortReason.ERROR, "RuntimeError: broken failed")


async def test_a_host_function_can_finish_the_program(workers: Workers) -> None:
    def skip() -> None:
        raise Finish("skipped")

    program = Program("try:\n    skip()\nexcept BaseException:\n    pass\n1")
    assert value_of(await workers.run(program, functions={"skip": skip})) == "skipped"


async def test_a_failure_says_where_it_arose(workers: Workers) -> None:
    outcome = await workers.run(Program("def half(number):\n    return number / 0\n\nhalf(1)"))
    assert isinstance(outcome, Aborted)
    assert (outcome.reason, outcome.line) == (AbortReason.ERROR, 2)
    assert "division by zero" in outcome.message


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("while True: pass", AbortReason.TIME),
        ("'x' * 10**9", AbortReason.MEMORY),
        ("def f(): f()\nf()", AbortReason.RECURSION),
        ("for i in range(100): print('x' * 100)", AbortReason.OUTPUT),
        ("[echo(i) for i in range(100)]", AbortReason.CALLS),
        ("x = ['x'] * 10\nfor i in range(4): x = [x] * 10\nx", AbortReason.RESULT),
        ("x = []\nfor i in range(10000): x = [x]\nx", AbortReason.RESULT),
        ("10 ** 5000", AbortReason.RESULT),
        ("class A: pass\nA()", AbortReason.RESULT),
        ("int", AbortReason.RESULT),
        ("x = ['x'] * 10\nfor i in range(4): x = [x] * 10\nlen(echo(x))", AbortReason.RESULT),
        ("x = ", AbortReason.ERROR),
    ],
)
async def test_a56_each_limit_ends_a_run_with_its_reason(workers: Workers, source: str, reason: AbortReason) -> None:
    seconds = 0.2 if reason is AbortReason.TIME else 60
    limits = Limits(seconds=seconds, deadline=60, output=1000, calls=50, result=1000)
    outcome = await workers.run(Program(source), functions={"echo": lambda value: value}, limits=limits)
    assert reason_of(outcome) is reason


async def test_what_computes_too_long_says_the_same_each_time(workers: Workers) -> None:
    limits = Limits(seconds=0.1)
    said = {str(await workers.run(Program("while True: pass"), limits=limits)).partition("seconds=")[0] for _ in "ab"}
    assert len(said) == 1
    assert "feed time limit exceeded" in said.pop()


async def test_a56_a_program_does_not_sleep(workers: Workers) -> None:
    program = Program("import time\nfor i in range(100): time.sleep(0.001)\n1")
    assert value_of(await workers.run(program, limits=Limits(calls=2))) == 1


async def test_a56_the_workers_are_confined(workers: Workers) -> None:
    seen: list[str] = []

    def look() -> None:
        for task in Path("/proc/self/task").iterdir():
            for child in (task / "children").read_text().split():
                if b"monty" not in Path(f"/proc/{child}/cmdline").read_bytes():
                    continue  # what other tests have started
                status = Path(f"/proc/{child}/status").read_text()
                seen.extend(line for line in status.splitlines() if line.startswith("NoNewPrivs"))

    await workers.run(Program("look()"), functions={"look": look})
    assert seen
    assert set(seen) == {"NoNewPrivs:\t1"}


async def test_what_has_no_place_in_the_sandbox_is_a_mistake_of_the_host(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    assert reason_of(await workers.run(Program("1"), inputs={"x": object()})) is AbortReason.ERROR
    assert "a object cannot go into the sandbox" in caplog.text
    nested: list[object] = []
    for _ in range(200):
        nested = [nested]
    assert reason_of(await workers.run(Program("1"), inputs={"x": nested})) is AbortReason.ERROR


async def test_values_keep_their_types(workers: Workers) -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    values = {
        "numbers": [1, 2.5, True, None],
        "texts": ("a", b"b"),
        "sets": [{1}, frozenset({2})],
        "time": now,
        "mapping": MappingProxyType({"a": 1}),
        "uuid": UUID(int=1),
        "decimal": Decimal("1.5"),
    }
    outcome = await workers.run(Program("x"), inputs={"x": values})
    assert value_of(outcome) == values | {"mapping": {"a": 1}, "uuid": str(UUID(int=1))}
