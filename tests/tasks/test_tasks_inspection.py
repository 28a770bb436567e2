"""The operator's view of the queue, on both databases."""

from __future__ import annotations

import inspect

from ostiary.room import Job, Samples, ServiceRegistry
from ostiary.store.database import Database
from ostiary.store.workspace.commit import run
from ostiary.tasks.inspection import STATES, TaskList
from ostiary.tasks.job import enqueue
from ostiary.tasks.queue_measures import queue_measures
from ostiary.tasks.worker import Worker

SECOND = 1_000_000


class UnreliableHandler:
    """A handler that fails until it is `working`, and a manual clock."""

    def __init__(self) -> None:
        self.now, self.working = 1_000_000 * SECOND, False

    def clock(self) -> int:
        return self.now

    async def __call__(self, args: object, *, now: int) -> None:
        if not self.working:
            message = f"nobody answers at {now}"
            raise OSError(message)


async def test_a_retried_dead_letter_keeps_its_error_until_it_succeeds(database: Database) -> None:
    post = UnreliableHandler()
    job = Job("post", post, attempts=1)
    worker = Worker(database, [job], clock=post.clock, grace=5.0)
    tasks = TaskList(database)
    await database.write(lambda: run([enqueue("post", {"to": "ada"}, key="k", now=post.now)]))

    async def turn() -> None:
        await worker.loop.attempt()
        await worker._drain()

    await turn()
    (task,) = [one async for one in tasks.search(STATES)]
    assert (task.name, task.state, task.attempts, task.due, task.finished) == ("post", "dead", 1, None, post.now)
    assert task.error is not None
    assert "nobody answers" in task.error
    assert not await tasks.retry("0" * 32, now=post.now)
    post.now += 60 * SECOND
    assert await tasks.retry(task.id, now=post.now)
    assert not await tasks.retry(task.id, now=post.now), "it is not a dead letter any more"
    requeued = await tasks.get(task.id)
    assert requeued is not None
    assert (requeued.state, requeued.attempts, requeued.due, requeued.finished) == ("queued", 0, post.now, None)
    assert requeued.error == task.error
    post.working = True
    await turn()
    finished = await tasks.get(task.id)
    assert finished is not None
    assert (finished.state, finished.error) == ("done", None)
    assert [one.id async for one in tasks.search(("queued", "dead"))] == []
    assert [one.id async for one in tasks.search(("done",), "other")] == []


async def test_the_metrics_of_the_queue(database: Database) -> None:
    post = UnreliableHandler()
    worker = Worker(database, [Job("post", post, attempts=1), Job("later", post)], clock=post.clock, grace=5.0)
    services = ServiceRegistry(database=database, clock=post.clock)
    measures = {measure.name: measure.read for measure in queue_measures(services)}

    async def value(name: str) -> Samples:
        read = measures[name]()
        assert inspect.isawaitable(read)
        return await read

    assert await value("ostiary_task_overdue_seconds") == {(): 0.0}
    assert not await worker.is_leader()
    await database.write(lambda: run([enqueue("post", {}, now=post.now)]))
    await worker.loop.attempt()
    await worker._drain()
    assert await value("ostiary_tasks") == {("waiting",): 0.0, ("running",): 0.0, ("dead",): 1.0}
    assert await value("ostiary_task_success_timestamp_seconds") == {}
    post.working = True
    await database.write(
        lambda: run([enqueue("post", {}, now=post.now), enqueue("later", {}, now=post.now, after=SECOND)])
    )
    await worker.loop.attempt()
    await worker._drain()
    assert await value("ostiary_task_success_timestamp_seconds") == {("post",): post.now / SECOND}
    assert await value("ostiary_task_overdue_seconds") == {(): 0.0}, "it is not due yet"
    assert worker.runs == {("post", "given_up"): 1, ("post", "done"): 1}
    post.now += 8 * SECOND
    assert await value("ostiary_task_overdue_seconds") == {(): 7.0}
    assert await value("ostiary_tasks") == {("waiting",): 1.0, ("running",): 0.0, ("dead",): 1.0}


async def test_one_worker_is_the_leader(database: Database) -> None:
    post = UnreliableHandler()
    post.working = True
    jobs = [Job("post", post, schedule=60 * SECOND)]
    first, second = (Worker(database, jobs, clock=post.clock, grace=5.0) for _ in range(2))
    await first.loop.attempt()
    await second.loop.attempt()
    assert (await first.is_leader(), await second.is_leader()) == (True, False)
    await first._drain()
    await second._drain()
