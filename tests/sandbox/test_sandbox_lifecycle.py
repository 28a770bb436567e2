"""Workers start when an expression needs one, are replaced when they die, and leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from support.waiting import until, wait_until

from ostiary.sandbox.measures import measures
from ostiary.sandbox.workers import (
    Aborted,
    AbortReason,
    HostFunction,
    Limits,
    Outcome,
    Program,
    Returned,
    Workers,
    pool,
)
from ostiary.sandbox.workers import processes as worker_processes

PATIENT = Limits(seconds=600, deadline=600)


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    workers = Workers(slots=1)
    yield workers
    await workers.close()


def children(parent: int | None = None) -> set[int]:
    """Return the workers of a process, as the kernel knows them."""
    parent = parent or os.getpid()
    found = set()
    for task in Path(f"/proc/{parent}/task").iterdir():
        try:
            found |= {int(one) for one in (task / "children").read_text().split()}
        except OSError:  # a thread that has just ended
            continue
    return {one for one in found if name_of(one) == "monty"}


def name_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


def state_of(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


async def running(
    workers: Workers, source: str = "started()\nwhile True: pass", *, trial: bool = False
) -> asyncio.Task[Outcome]:
    """Begin a run and return when the program is running."""
    started = asyncio.Event()

    async def signal_start() -> None:
        started.set()

    functions: dict[str, HostFunction] = {"started": signal_start}
    run = workers.run(Program(source), functions=functions, limits=PATIENT, trial=trial)
    task = asyncio.create_task(run)
    await started.wait()
    return task


async def wait_until_async(check: Callable[[], object]) -> None:
    async def checked() -> bool:
        return bool(check())

    await until(checked)


def test_whoever_runs_no_expression_pays_nothing() -> None:
    script = """
import asyncio, sys, threading
import ostiary.app.core, ostiary.app.site, ostiary.app.serve
from ostiary.sandbox.measures import measures
from ostiary.sandbox.workers import Program, Workers

async def main():
    workers = Workers()
    list(measures(lambda: workers.pools, {}))
    print(sorted(name for name in sys.modules if name.startswith("pydantic_monty")), threading.active_count())
    await workers.run(Program("1"))
    print("pydantic_monty" in sys.modules)
    await workers.close()

asyncio.run(main())
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["[] 1", "True"]


async def test_a_killed_worker_is_replaced_and_its_run_says_so(workers: Workers) -> None:
    run = await running(workers)
    (victim,) = children()
    os.kill(victim, signal.SIGKILL)
    outcome = await run
    assert isinstance(outcome, Aborted)
    assert outcome.reason is AbortReason.CRASHED
    assert isinstance(await workers.run(Program("1")), Returned)
    assert children() - {victim}


async def test_a_worker_that_does_not_stop_is_killed(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_processes, "LATE", 0.05)
    started = asyncio.Event()

    async def signal_start() -> None:
        started.set()

    source, functions = Program("started()\nwhile True: pass"), {"started": signal_start}
    run = asyncio.create_task(workers.run(source, functions=functions, limits=Limits(seconds=0.3)))
    await started.wait()
    (stopped,) = children()
    os.kill(stopped, signal.SIGSTOP)  # it can no longer watch its own clock
    outcome = await run
    assert isinstance(outcome, Aborted)
    assert outcome.reason is AbortReason.TIME
    await wait_until_async(lambda: stopped not in children())


async def test_workers_are_replaced_after_a_number_of_runs(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_processes, "MAX_RUNS_OF_WORKER", 2)
    seen = set()
    for _ in range(6):
        await workers.run(Program("1"))
        seen |= children()
    assert len(seen) >= 3


async def test_a56_sign_ins_do_not_wait_for_trial_runs(workers: Workers) -> None:
    trials = [await running(workers, trial=True)]
    trials += [asyncio.create_task(workers.run(Program("1"), trial=True)) for _ in range(10)]
    outcome = await workers.run(Program("1 + 1"))
    assert isinstance(outcome, Returned)
    assert not any(task.done() for task in trials)
    await workers.close()
    await asyncio.gather(*trials)


async def test_a56_a_run_that_gets_no_worker_says_busy(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "MAX_WAIT", 0.01)
    run = await running(workers)
    late = await workers.run(Program("1"))
    monkeypatch.setattr(pool, "MAX_WAITING", 0)
    turned_away = await workers.run(Program("1"))
    assert isinstance(turned_away, Aborted)
    for outcome in (late, turned_away):
        assert isinstance(outcome, Aborted)
        assert outcome.reason is AbortReason.BUSY
    assert turned_away.message == "too many expressions wait for a worker"
    assert not run.done()
    await workers.close()
    await run


async def test_a_caller_that_goes_away_does_not_free_a_busy_worker(workers: Workers) -> None:
    task = asyncio.create_task(workers.run(Program("while True: pass"), limits=Limits(seconds=0.5)))
    await wait_until_async(children)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert isinstance(await workers.run(Program("1")), Returned)  # its turn comes when the first has ended
    assert len(children()) == 1


async def test_workers_that_cannot_be_started_fail_closed_and_are_tried_again(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(worker_processes, "PROGRAMS", ("ostiary-expression-worker", "no-such-program"))
        outcome = await workers.run(Program("1"))
    assert isinstance(outcome, Aborted)
    assert outcome.reason is AbortReason.UNAVAILABLE
    assert "no-such-program" in caplog.text
    assert isinstance(await workers.run(Program("1")), Returned)


async def test_after_close_nothing_is_left(workers: Workers) -> None:
    await workers.run(Program("1"))
    run = await running(workers)
    before = children()
    assert before
    await workers.close()
    assert isinstance(await run, Aborted)
    await wait_until_async(lambda: not before & children())
    await wait_until_async(lambda: not [one for one in threading.enumerate() if one.name.startswith("expressions")])
    outcome = await workers.run(Program("1"))
    assert isinstance(outcome, Aborted)
    assert outcome.reason is AbortReason.UNAVAILABLE


async def test_close_ends_a_run_that_waits_for_the_host(workers: Workers) -> None:
    run = await running(workers, "started()\nforever()")
    waiting = asyncio.create_task(
        workers.run(Program("forever()"), functions={"forever": asyncio.Event().wait}, limits=PATIENT, trial=True)
    )
    await wait_until_async(lambda: len(children()) == 2)
    await workers.close()
    outcome = await waiting
    assert isinstance(outcome, Aborted)
    assert isinstance(await run, Aborted)


def test_a_server_that_is_killed_leaves_no_worker_behind() -> None:
    script = """
import asyncio, os
from ostiary.sandbox.workers import Limits, Program, Workers

async def main():
    workers = Workers()
    patient = Limits(seconds=600, deadline=600)
    started = lambda: print("started", flush=True)
    await asyncio.gather(*(
        workers.run(Program("started()\\nwhile True: pass"), functions={"started": started}, limits=patient)
        for _ in range(2)
    ))

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert [server.stdout.readline().strip() for _ in range(2)] == ["started", "started"]
        workers = children(server.pid)
        assert len(workers) == 2
        server.kill()
    wait_until(lambda: not any(name_of(one) == "monty" and state_of(one) != "Z" for one in workers))


async def test_a56_runs_inside_runs_share_the_budget_and_need_no_turn(workers: Workers) -> None:
    async def deeper(depth: int) -> object:
        outcome = await workers.run(Program(f"deeper({depth + 1})"), functions={"deeper": deeper})
        return outcome.value if isinstance(outcome, Returned) else [depth, outcome.reason.value]

    outcome = await workers.run(Program("deeper(1)"), functions={"deeper": deeper})
    assert isinstance(outcome, Returned)
    assert outcome.value == [4, "calls"]  # there is one turn, and four runs inside each other had it


async def test_a56_a_run_inside_a_run_takes_from_the_same_calls_and_time(workers: Workers) -> None:
    async def inner(source: str) -> str:
        functions: dict[str, HostFunction] = {"one": lambda: 1}
        outcome = await workers.run(Program(source), functions=functions, limits=Limits(calls=1000, seconds=60))
        return "returned" if isinstance(outcome, Returned) else outcome.reason.value

    calls = Program("[inner('[one() for _ in range(8)]') for _ in range(8)]")
    outcome = await workers.run(calls, functions={"inner": inner}, limits=Limits(calls=20))
    assert isinstance(outcome, Aborted)
    assert outcome.reason is AbortReason.CALLS
    time = Program("try:\n    inner('while True: pass')\nexcept BaseException:\n    pass\n1")
    outcome = await workers.run(time, functions={"inner": inner}, limits=Limits(seconds=0.3))
    assert isinstance(outcome, Aborted)
    assert outcome.reason is AbortReason.TIME


async def test_a56_a_run_ends_at_its_deadline_whatever_it_waits_for(workers: Workers) -> None:
    program = Program("try:\n    forever()\nexcept BaseException:\n    pass\n1")
    outcome = await workers.run(program, functions={"forever": asyncio.Event().wait}, limits=Limits(deadline=0.2))
    assert isinstance(outcome, Aborted)
    assert outcome.reason is AbortReason.TIME


async def test_metrics_name_the_pools_before_there_are_any(workers: Workers) -> None:
    numbers = {measure.name: measure.read() for measure in measures(lambda: (), {})}
    assert numbers["ostiary_expression_runs"] == {(pool.name, "returned"): 0 for pool in workers.pools}
    assert numbers["ostiary_expression_workers"] == {(pool.name,): 0 for pool in workers.pools}


async def test_metrics_tell_results_and_workers(workers: Workers) -> None:
    await workers.run(Program("1"))
    await workers.run(Program("1 / 0"))
    await workers.run(Program("1"), trial=True)
    numbers = {measure.name: measure.read() for measure in measures(lambda: workers.pools, {})}
    assert numbers["ostiary_expression_runs"] == {
        ("sign-in", "returned"): 1,
        ("sign-in", "error"): 1,
        ("trial", "returned"): 1,
    }
    assert numbers["ostiary_expression_workers"] == {("sign-in",): 1, ("trial",): 1}
    assert numbers["ostiary_expressions_waiting"] == {("sign-in",): 0, ("trial",): 0}
    for process in children():
        os.kill(process, signal.SIGKILL)
    alive = next(one for one in measures(lambda: workers.pools, {}) if one.name == "ostiary_expression_workers")
    await wait_until_async(lambda: alive.read() == {("sign-in",): 0, ("trial",): 0})
