"""The queue: at-least-once execution, leases, retries, dead letters, one schedule, no loss at shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.waiting import PATIENCE, until

from ostiary.room import GiveUp, Job
from ostiary.store.database import Batch, Database, Statement, Unavailable, Value, fetch_one
from ostiary.tasks import repository as queue
from ostiary.tasks.cleanup import clean_expired
from ostiary.tasks.job import enqueue
from ostiary.tasks.schedule import LEASE as LEADER_LEASE
from ostiary.tasks.schedule import fire
from ostiary.tasks.worker import Worker, delay

SECOND = 1_000_000
HOUR = 3_600 * SECOND
START = 1_700_000_000 * SECOND


class Clock:
    """A manual clock."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


class RecordingHandler:
    """A handler that records its arguments and fails a number of times."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.calls: list[dict[str, object]] = []
        self.done = asyncio.Event()

    async def __call__(self, args: Mapping[str, object], *, now: int) -> None:
        self.calls.append(dict(args))
        if len(self.calls) <= self.failures:
            raise RuntimeError(f"failure {len(self.calls)}")
        self.done.set()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def statements(*items: Statement) -> Batch[list[int]]:
    counts = []
    for item in items:
        result = yield item
        counts.append(result.count)
    return counts


async def put(database: Database, name: str = "work", *, key: str | None = None, after: int = 0, **args: object) -> int:
    task = enqueue(name, args, key=key, now=START, after=after)
    return (await database.write(partial(statements, task)))[0]


async def states(database: Database) -> list[tuple[str, int, str | None]]:
    rows = await database.fetch("SELECT state, attempts, error FROM task ORDER BY created, id")
    return [(row["state"], row["attempts"], row["error"]) for row in rows]


@contextlib.asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[None]:
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        await worker.stop()
        await running


async def test_a_task_runs_once(database: Database, clock: Clock) -> None:
    notebook = RecordingHandler()
    await put(database, colour="green")
    async with working(Worker(database, [Job("work", notebook)], clock=clock)):
        await asyncio.wait_for(notebook.done.wait(), PATIENCE)
    assert notebook.calls == [{"colour": "green"}]
    assert await states(database) == [("done", 1, None)]


async def test_a_task_is_enqueued_in_the_callers_transaction(database: Database) -> None:
    broken = Statement("INSERT INTO counter (name, value) VALUES ('x', 1), ('x', 2)")
    with pytest.raises(Exception, match=r"(?i)unique"):
        await database.write(partial(statements, enqueue("work", {}, now=START), broken))
    assert await states(database) == []


async def test_wake_polls_before_the_interval(database: Database, clock: Clock) -> None:
    notebook = RecordingHandler()
    worker = Worker(database, [Job("work", notebook)], clock=clock, poll=60)
    async with working(worker):
        await asyncio.sleep(0.05)
        await put(database)
        worker.wake()
        await asyncio.wait_for(notebook.done.wait(), PATIENCE)


async def test_tasks_of_other_processes_are_found(database: Database, clock: Clock) -> None:
    notebook = RecordingHandler()
    async with working(Worker(database, [Job("work", notebook)], clock=clock, poll=0.05)):
        await asyncio.sleep(0.05)
        await put(database)
        await asyncio.wait_for(notebook.done.wait(), PATIENCE)


async def test_a_key_is_queued_once(database: Database) -> None:
    assert await put(database, key="mail:1") == 1
    assert await put(database, key="mail:1") == 0
    assert await put(database, key="mail:2") == 1
    assert await put(database) == 1
    assert await put(database) == 1


async def test_a_delayed_task_waits(database: Database, clock: Clock) -> None:
    notebook = RecordingHandler()
    await put(database, after=HOUR)
    async with working(Worker(database, [Job("work", notebook)], clock=clock, poll=0.02)):
        await asyncio.sleep(0.1)
        assert not notebook.calls
        clock.now += HOUR
        await asyncio.wait_for(notebook.done.wait(), PATIENCE)


async def test_a_failed_task_is_retried_later(database: Database, clock: Clock) -> None:
    notebook = RecordingHandler(failures=1)
    await put(database)
    async with working(Worker(database, [Job("work", notebook)], clock=clock, poll=0.02)):

        async def failed() -> bool:
            return await states(database) == [("queued", 1, "RuntimeError: failure 1")]

        await until(failed)
        row = await fetch_one(database, "SELECT due FROM task")
        assert row is not None
        assert START + SECOND // 2 <= row["due"] <= START + SECOND
        clock.now += SECOND
        await asyncio.wait_for(notebook.done.wait(), PATIENCE)
    assert await states(database) == [("done", 2, None)]


async def test_after_the_last_attempt_it_is_a_dead_letter(database: Database, clock: Clock) -> None:
    notebook = RecordingHandler(failures=99)
    await put(database)
    async with working(Worker(database, [Job("work", notebook, attempts=3)], clock=clock, poll=0.02)):

        async def dead() -> bool:
            row = await fetch_one(database, "SELECT state, due FROM task")
            assert row is not None
            if row["state"] == "queued":  # exactly to the next attempt, so that no lease expires
                clock.now = max(clock.now, row["due"])
            return bool(row["state"] == "dead")

        await until(dead)
    assert await states(database) == [("dead", 3, "RuntimeError: failure 3")]


async def test_a_handler_that_gives_up_is_not_tried_again(database: Database, clock: Clock) -> None:
    async def refuse(args: Mapping[str, object], *, now: int) -> None:
        del args, now
        raise GiveUp("550 no such user")

    await put(database)
    async with working(Worker(database, [Job("work", refuse)], clock=clock)):

        async def dead() -> bool:
            return (await states(database))[0][0] == "dead"

        await until(dead)
    assert await states(database) == [("dead", 1, "550 no such user")]


async def test_a_hanging_handler_is_stopped(database: Database, clock: Clock) -> None:
    async def hang(args: Mapping[str, object], *, now: int) -> None:
        await asyncio.sleep(600)

    await put(database)
    async with working(Worker(database, [Job("work", hang, limit=50_000)], clock=clock)):

        async def stopped() -> bool:
            state, _, error = (await states(database))[0]
            return state == "queued" and error is not None  # it was also queued before the first attempt

        await until(stopped)
    assert (await states(database))[0][2] == "TimeoutError: "


async def test_tasks_of_unknown_jobs_are_left_alone(database: Database, clock: Clock) -> None:
    await put(database, "tomorrow")
    async with working(Worker(database, [Job("work", RecordingHandler())], clock=clock, poll=0.02)):
        await asyncio.sleep(0.1)
    assert await states(database) == [("queued", 0, None)]


async def test_two_workers_run_each_task_once(database: Database, clock: Clock) -> None:
    finished: list[Any] = []

    async def handler(args: Mapping[str, object], *, now: int) -> None:
        finished.append(args["number"])

    for number in range(40):
        await put(database, number=number)
    workers = [Worker(database, [Job("work", handler)], clock=clock, poll=0.02) for _ in range(2)]
    async with working(workers[0]), working(workers[1]):

        async def all_done() -> bool:
            return len(finished) >= 40

        await until(all_done)
    assert sorted(finished) == list(range(40))
    assert {state for state, _, _ in await states(database)} == {"done"}


async def test_a_long_task_renews_its_lease(database: Database, clock: Clock) -> None:
    """The clock advances only after a renewal of the lease, so that the test does not depend on the load."""
    lease = 300_000
    release = asyncio.Event()
    started: list[int] = []

    async def handler(args: Mapping[str, object], *, now: int) -> None:
        started.append(now)
        await release.wait()

    await put(database)
    workers = [Worker(database, [Job("work", handler)], clock=clock, lease=lease, poll=0.02) for _ in range(2)]
    async with working(workers[0]), working(workers[1]):

        async def renewed() -> bool:
            row = await fetch_one(database, "SELECT due FROM task WHERE state = 'running'")
            return row is not None and row["due"] == clock.now + lease

        for _ in range(5):
            await until(renewed)
            clock.now += lease * 2 // 3
        await until(renewed)
        release.set()
    assert len(started) == 1
    assert await states(database) == [("done", 1, None)]


async def test_a_worker_without_the_lease_stops_the_task(database: Database) -> None:
    started = asyncio.Event()
    stopped = asyncio.Event()

    async def handler(args: Mapping[str, object], *, now: int) -> None:
        started.set()
        try:
            await asyncio.sleep(600)
        finally:
            stopped.set()

    await put(database)
    async with working(Worker(database, [Job("work", handler)], lease=150_000, poll=60)):
        await asyncio.wait_for(started.wait(), PATIENCE)
        theft = Statement("UPDATE task SET owner = 'thief', attempts = attempts + 1")
        await database.write(partial(statements, theft))
        await asyncio.wait_for(stopped.wait(), PATIENCE)
    assert await states(database) == [("running", 2, None)]


async def test_a_task_that_loses_every_worker_becomes_a_dead_letter(database: Database, clock: Clock) -> None:
    notebook = RecordingHandler()
    await put(database)
    await database.write(partial(statements, Statement("UPDATE task SET attempts = 8, state = 'running'")))
    async with working(Worker(database, [Job("work", notebook)], clock=clock, poll=0.02)):

        async def dead() -> bool:
            return (await states(database))[0][0] == "dead"

        await until(dead)
    assert not notebook.calls


async def test_stop_waits_for_running_tasks(database: Database, clock: Clock) -> None:
    started = asyncio.Event()

    async def handler(args: Mapping[str, object], *, now: int) -> None:
        started.set()
        await asyncio.sleep(0.3)

    await put(database)
    async with working(Worker(database, [Job("work", handler)], clock=clock)):
        await asyncio.wait_for(started.wait(), PATIENCE)
    assert await states(database) == [("done", 1, None)]


async def test_a_task_that_exceeds_the_grace_period_is_released(database: Database, clock: Clock) -> None:
    started = asyncio.Event()

    async def handler(args: Mapping[str, object], *, now: int) -> None:
        started.set()
        await asyncio.sleep(600)

    await put(database)
    async with working(Worker(database, [Job("work", handler)], clock=clock, grace=0.05)):
        await asyncio.wait_for(started.wait(), PATIENCE)
    assert await states(database) == [("queued", 0, None)]


async def test_stop_before_run_returns(database: Database) -> None:
    worker = Worker(database, [])
    await worker.stop()
    await worker.run()


async def test_the_worker_survives_an_unavailable_database(
    sqlite_database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = RecordingHandler()
    fetch = sqlite_database.fetch
    answers = iter([Unavailable("away")] * 3)

    async def sometimes(sql: str, *parameters: Value) -> object:
        for error in answers:
            raise error
        return await fetch(sql, *parameters)

    monkeypatch.setattr(sqlite_database, "fetch", sometimes)
    await put(sqlite_database)
    async with working(Worker(sqlite_database, [Job("work", notebook)], clock=clock, poll=0.02)):
        await asyncio.wait_for(notebook.done.wait(), PATIENCE)


async def test_a_new_schedule_fires_at_once_and_then_periodically(database: Database) -> None:
    job = Job("work", RecordingHandler(), schedule=HOUR)
    fired = [await fire(database, [job], owner="a", now=START + step * HOUR // 2) for step in range(7)]
    assert fired == [1, 0, 1, 0, 1, 0, 1]
    assert len(await states(database)) == 4


async def test_only_one_process_fires_a_schedule(database: Database) -> None:
    job = Job("work", RecordingHandler(), schedule=HOUR)
    fired = await asyncio.gather(*(fire(database, [job], owner=str(number), now=START) for number in range(20)))
    assert sum(fired) == 1
    assert len(await states(database)) == 1


async def test_the_leader_changes_after_its_lease(database: Database) -> None:
    job = Job("work", RecordingHandler(), schedule=10 * SECOND)
    assert await fire(database, [job], owner="a", now=START) == 1
    later = START + 20 * SECOND
    assert await fire(database, [job], owner="b", now=later) == 0
    assert await fire(database, [job], owner="b", now=START + LEADER_LEASE) == 1


async def test_a_shorter_interval_applies_at_once(database: Database) -> None:
    assert await fire(database, [Job("work", RecordingHandler(), schedule=24 * HOUR)], owner="a", now=START) == 1
    assert await fire(database, [Job("work", RecordingHandler(), schedule=HOUR)], owner="a", now=START + 1) == 1


async def test_clean_up_runs_every_sweeper(database: Database) -> None:
    await put(database)
    await database.write(
        partial(statements, Statement("UPDATE task SET state = 'done', due = NULL, finished = ?", (START,)))
    )
    job = clean_expired(database, [queue.sweep, lambda now: Statement("DELETE FROM counter WHERE value <= ?", (now,))])
    await job.handler({}, now=START + queue.KEPT_DONE - 1)
    assert len(await states(database)) == 1
    await job.handler({}, now=START + queue.KEPT_DONE)
    assert await states(database) == []


async def test_dead_letters_are_kept_longer(database: Database) -> None:
    await put(database)
    await database.write(
        partial(statements, Statement("UPDATE task SET state = 'dead', due = NULL, finished = ?", (START,)))
    )
    await database.write(partial(statements, queue.sweep(START + queue.KEPT_DONE)))
    assert len(await states(database)) == 1
    await database.write(partial(statements, queue.sweep(START + queue.KEPT_DEAD)))
    assert await states(database) == []


def test_the_delay_doubles_up_to_an_hour() -> None:
    assert [delay(attempt, 1.0) // SECOND for attempt in (1, 2, 3, 8)] == [1, 2, 4, 128]
    assert delay(1, 0.0) == SECOND // 2
    assert delay(60, 1.0) == HOUR


def location(database: Database) -> list[str]:
    """Return the location of the database, for another process."""
    if database.dialect == "sqlite":
        return [str(database._path)]  # type: ignore[attr-defined]
    config = database._config  # type: ignore[attr-defined]
    return [config.host, str(config.port), config.name, config.user]


async def test_after_a_kill_another_worker_finishes_the_task(database: Database) -> None:
    await put(database)
    lease = 3 * SECOND
    command = [sys.executable, str(Path(__file__).with_name("tasks_crash_worker.py")), str(lease), *location(database)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == b"begun\n"
        first = await fetch_one(database, "SELECT due FROM task")
        assert first is not None

        async def renewed() -> bool:
            row = await fetch_one(database, "SELECT due FROM task")
            return row is not None and row["due"] > first["due"]

        await until(renewed)
        notebook = RecordingHandler()
        async with working(Worker(database, [Job("work", notebook)], lease=lease, poll=0.05)):
            await asyncio.sleep(0.3)
            assert not notebook.calls
            process.kill()
            await asyncio.wait_for(notebook.done.wait(), PATIENCE)
    assert len(notebook.calls) == 1
    assert await states(database) == [("done", 2, None)]


async def test_a_task_whose_result_was_not_stored_runs_again(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = RecordingHandler()
    write = sqlite_database.write
    away = asyncio.Event()

    async def sometimes(batch: Callable[[], Batch[Any]]) -> object:
        if away.is_set():
            raise Unavailable("away")
        return await write(batch)

    async def handler(args: Mapping[str, object], *, now: int) -> None:
        if not notebook.calls:
            away.set()
            await asyncio.sleep(1.0)  # a renewal fails meanwhile
        await notebook(args, now=now)

    monkeypatch.setattr(sqlite_database, "write", sometimes)
    await put(sqlite_database)
    async with working(Worker(sqlite_database, [Job("work", handler)], lease=2 * SECOND, poll=0.05)):
        await asyncio.wait_for(notebook.done.wait(), PATIENCE)
        await asyncio.sleep(0.1)
        away.clear()

        async def done() -> bool:
            return await states(sqlite_database) == [("done", 2, None)]

        await until(done)
    assert len(notebook.calls) == 2


async def test_a_leader_replaced_between_read_and_write(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job("work", RecordingHandler(), schedule=HOUR)

    async def stale(sql: str, *parameters: object) -> list[object]:
        return []

    assert await fire(sqlite_database, [job], owner="a", now=START) == 1
    fetch = sqlite_database.fetch
    monkeypatch.setattr(sqlite_database, "fetch", stale)
    assert await fire(sqlite_database, [job], owner="a", now=START) == 0
    monkeypatch.setattr(sqlite_database, "fetch", fetch)
    assert len(await states(sqlite_database)) == 1


async def test_a_task_delayed_by_a_wrong_clock_becomes_due(database: Database) -> None:
    ahead = START + 24 * HOUR
    await database.write(lambda: statements(enqueue("a", {}, now=ahead), enqueue("b", {}, now=START, after=HOUR)))
    await fire(database, [clean_expired(database, ())], owner="me", now=START)
    rows = await database.fetch("SELECT name, due FROM task WHERE name IN ('a', 'b') ORDER BY name")
    assert [(row["name"], row["due"]) for row in rows] == [("a", START), ("b", START + HOUR)]
