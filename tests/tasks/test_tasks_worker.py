"""The queue: at least once, leases, back-off, dead letters, one schedule, no loss at the end."""

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

from ostiary.room import Job
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
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


class Notebook:
    """A handler that notes what it was given, and fails as often as it was told to."""

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


async def test_a_task_is_done_once(database: Database, clock: Clock) -> None:
    notebook = Notebook()
    await put(database, colour="green")
    async with working(Worker(database, [Job("work", notebook)], clock=clock)):
        await asyncio.wait_for(notebook.done.wait(), PATIENCE)
    assert notebook.calls == [{"colour": "green"}]
    assert await states(database) == [("done", 1, None)]


async def test_it_is_queued_in_the_transaction_of_the_caller(database: Database) -> None:
    broken = Statement("INSERT INTO counter (name, value) VALUES ('x', 1), ('x', 2)")
    with pytest.raises(Exception, match=r"(?i)unique"):
        await database.write(partial(statements, enqueue("work", {}, now=START), broken))
    assert await states(database) == []


async def test_a_bell_wakes_it_before_it_looks_by_itself(database: Database, clock: Clock) -> None:
    notebook = Notebook()
    worker = Worker(database, [Job("work", notebook)], clock=clock, poll=60)
    async with working(worker):
        await asyncio.sleep(0.05)
        await put(database)
        worker.wake()
        await asyncio.wait_for(notebook.done.wait(), PATIENCE)


async def test_it_sees_what_other_processes_queue(database: Database, clock: Clock) -> None:
    notebook = Notebook()
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
    notebook = Notebook()
    await put(database, after=HOUR)
    async with working(Worker(database, [Job("work", notebook)], clock=clock, poll=0.02)):
        await asyncio.sleep(0.1)
        assert not notebook.calls
        clock.now += HOUR
        await asyncio.wait_for(notebook.done.wait(), PATIENCE)


async def test_a_failure_is_tried_again_later(database: Database, clock: Clock) -> None:
    notebook = Notebook(failures=1)
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
    notebook = Notebook(failures=99)
    await put(database)
    async with working(Worker(database, [Job("work", notebook, attempts=3)], clock=clock, poll=0.02)):

        async def dead() -> bool:
            row = await fetch_one(database, "SELECT state, due FROM task")
            assert row is not None
            if row["state"] == "queued":  # to the next attempt and no further: a lease must not run out by that
                clock.now = max(clock.now, row["due"])
            return bool(row["state"] == "dead")

        await until(dead)
    assert await states(database) == [("dead", 3, "RuntimeError: failure 3")]


async def test_a_handler_that_hangs_is_stopped(database: Database, clock: Clock) -> None:
    async def hang(args: Mapping[str, object], *, now: int) -> None:
        await asyncio.sleep(600)

    await put(database)
    async with working(Worker(database, [Job("work", hang, limit=50_000)], clock=clock)):

        async def stopped() -> bool:
            state, _, error = (await states(database))[0]
            return state == "queued" and error is not None  # it was queued before it was tried, too

        await until(stopped)
    assert (await states(database))[0][2] == "TimeoutError: "


async def test_unknown_names_are_left_to_others(database: Database, clock: Clock) -> None:
    await put(database, "tomorrow")
    async with working(Worker(database, [Job("work", Notebook())], clock=clock, poll=0.02)):
        await asyncio.sleep(0.1)
    assert await states(database) == [("queued", 0, None)]


async def test_two_workers_share_without_doing_twice(database: Database, clock: Clock) -> None:
    done: list[Any] = []

    async def handler(args: Mapping[str, object], *, now: int) -> None:
        done.append(args["number"])

    for number in range(40):
        await put(database, number=number)
    workers = [Worker(database, [Job("work", handler)], clock=clock, poll=0.02) for _ in range(2)]
    async with working(workers[0]), working(workers[1]):

        async def all_done() -> bool:
            return len(done) >= 40

        await until(all_done)
    assert sorted(done) == list(range(40))
    assert {state for state, _, _ in await states(database)} == {"done"}


async def test_a_heartbeat_keeps_a_long_task(database: Database, clock: Clock) -> None:
    """The clock moves on only when the lease was renewed, so that a machine under load changes nothing."""
    lease = 300_000
    release = asyncio.Event()
    begun: list[int] = []

    async def handler(args: Mapping[str, object], *, now: int) -> None:
        begun.append(now)
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
    assert len(begun) == 1
    assert await states(database) == [("done", 1, None)]


async def test_who_lost_the_lease_stops_and_does_not_finish(database: Database) -> None:
    begun = asyncio.Event()
    stopped = asyncio.Event()

    async def handler(args: Mapping[str, object], *, now: int) -> None:
        begun.set()
        try:
            await asyncio.sleep(600)
        finally:
            stopped.set()

    await put(database)
    async with working(Worker(database, [Job("work", handler)], lease=150_000, poll=60)):
        await asyncio.wait_for(begun.wait(), PATIENCE)
        theft = Statement("UPDATE task SET owner = 'thief', attempts = attempts + 1")
        await database.write(partial(statements, theft))
        await asyncio.wait_for(stopped.wait(), PATIENCE)
    assert await states(database) == [("running", 2, None)]


async def test_a_worker_that_is_lost_each_time_ends_in_a_dead_letter(database: Database, clock: Clock) -> None:
    notebook = Notebook()
    await put(database)
    await database.write(partial(statements, Statement("UPDATE task SET attempts = 8, state = 'running'")))
    async with working(Worker(database, [Job("work", notebook)], clock=clock, poll=0.02)):

        async def dead() -> bool:
            return (await states(database))[0][0] == "dead"

        await until(dead)
    assert not notebook.calls


async def test_stopping_waits_for_work_in_flight(database: Database, clock: Clock) -> None:
    begun = asyncio.Event()

    async def handler(args: Mapping[str, object], *, now: int) -> None:
        begun.set()
        await asyncio.sleep(0.3)

    await put(database)
    async with working(Worker(database, [Job("work", handler)], clock=clock)):
        await asyncio.wait_for(begun.wait(), PATIENCE)
    assert await states(database) == [("done", 1, None)]


async def test_what_does_not_end_in_time_is_handed_back(database: Database, clock: Clock) -> None:
    begun = asyncio.Event()

    async def handler(args: Mapping[str, object], *, now: int) -> None:
        begun.set()
        await asyncio.sleep(600)

    await put(database)
    async with working(Worker(database, [Job("work", handler)], clock=clock, grace=0.05)):
        await asyncio.wait_for(begun.wait(), PATIENCE)
    assert await states(database) == [("queued", 0, None)]


async def test_stopping_before_the_start_does_not_hang(database: Database) -> None:
    worker = Worker(database, [])
    await worker.stop()
    await worker.run()


async def test_a_database_that_is_away_does_not_end_the_worker(
    sqlite_database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = Notebook()
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


async def test_a_schedule_fires_at_first_sight_and_then_by_the_clock(database: Database) -> None:
    job = Job("work", Notebook(), schedule=HOUR)
    fired = [await fire(database, [job], owner="a", now=START + step * HOUR // 2) for step in range(7)]
    assert fired == [1, 0, 1, 0, 1, 0, 1]
    assert len(await states(database)) == 4


async def test_of_many_leaders_one_fires(database: Database) -> None:
    job = Job("work", Notebook(), schedule=HOUR)
    fired = await asyncio.gather(*(fire(database, [job], owner=str(number), now=START) for number in range(20)))
    assert sum(fired) == 1
    assert len(await states(database)) == 1


async def test_leadership_ends_with_its_lease(database: Database) -> None:
    job = Job("work", Notebook(), schedule=10 * SECOND)
    assert await fire(database, [job], owner="a", now=START) == 1
    later = START + 20 * SECOND
    assert await fire(database, [job], owner="b", now=later) == 0
    assert await fire(database, [job], owner="b", now=START + LEADER_LEASE) == 1


async def test_a_shorter_interval_counts_at_once(database: Database) -> None:
    assert await fire(database, [Job("work", Notebook(), schedule=24 * HOUR)], owner="a", now=START) == 1
    assert await fire(database, [Job("work", Notebook(), schedule=HOUR)], owner="a", now=START + 1) == 1


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


def test_the_wait_doubles_to_an_hour() -> None:
    assert [delay(attempt, 1.0) // SECOND for attempt in (1, 2, 3, 8)] == [1, 2, 4, 128]
    assert delay(1, 0.0) == SECOND // 2
    assert delay(60, 1.0) == HOUR


def place(database: Database) -> list[str]:
    """Return where another process finds the database."""
    if database.dialect == "sqlite":
        return [str(database._path)]  # type: ignore[attr-defined]
    config = database._config  # type: ignore[attr-defined]
    return [config.host, str(config.port), config.name, config.user]


async def test_after_kill_nine_another_worker_finishes_it(database: Database) -> None:
    await put(database)
    lease = 3 * SECOND
    command = [sys.executable, str(Path(__file__).with_name("tasks_crash_worker.py")), str(lease), *place(database)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == b"begun\n"
        first = await fetch_one(database, "SELECT due FROM task")
        assert first is not None

        async def renewed() -> bool:
            row = await fetch_one(database, "SELECT due FROM task")
            return row is not None and row["due"] > first["due"]

        await until(renewed)
        notebook = Notebook()
        async with working(Worker(database, [Job("work", notebook)], lease=lease, poll=0.05)):
            await asyncio.sleep(0.3)
            assert not notebook.calls
            process.kill()
            await asyncio.wait_for(notebook.done.wait(), PATIENCE)
    assert len(notebook.calls) == 1
    assert await states(database) == [("done", 2, None)]


async def test_an_end_that_cannot_be_noted_is_done_again(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = Notebook()
    write = sqlite_database.write
    away = asyncio.Event()

    async def sometimes(batch: Callable[[], Batch[Any]]) -> object:
        if away.is_set():
            raise Unavailable("away")
        return await write(batch)

    async def handler(args: Mapping[str, object], *, now: int) -> None:
        if not notebook.calls:
            away.set()
            await asyncio.sleep(1.0)  # a heartbeat fails meanwhile
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


async def test_a_leader_that_was_overtaken_between_reading_and_writing(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job("work", Notebook(), schedule=HOUR)

    async def stale(sql: str, *parameters: object) -> list[object]:
        return []

    assert await fire(sqlite_database, [job], owner="a", now=START) == 1
    fetch = sqlite_database.fetch
    monkeypatch.setattr(sqlite_database, "fetch", stale)
    assert await fire(sqlite_database, [job], owner="a", now=START) == 0
    monkeypatch.setattr(sqlite_database, "fetch", fetch)
    assert len(await states(sqlite_database)) == 1


async def test_a_task_put_off_by_a_wrong_clock_is_due_again(database: Database) -> None:
    ahead = START + 24 * HOUR
    await database.write(lambda: statements(enqueue("a", {}, now=ahead), enqueue("b", {}, now=START, after=HOUR)))
    await fire(database, [clean_expired(database, ())], owner="me", now=START)
    rows = await database.fetch("SELECT name, due FROM task WHERE name IN ('a', 'b') ORDER BY name")
    assert [(row["name"], row["due"]) for row in rows] == [("a", START), ("b", START + HOUR)]
