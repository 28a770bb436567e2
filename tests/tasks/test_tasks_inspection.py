"""What an operator sees of the queue, on each database."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from ostiary.room import Job, ServiceRegistry
from ostiary.store.database import Database
from ostiary.store.workspace.commit import run
from ostiary.tasks.inspection import STATES, TaskList
from ostiary.tasks.job import enqueue
from ostiary.tasks.queue_measures import queue_measures
from ostiary.tasks.worker import Worker

SECOND = 1_000_000


class Post:
    """A handler that fails until it is mended, and a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now, self.mended = 1_000_000 * SECOND, False

    def clock(self) -> int:
        return self.now

    async def __call__(self, args: object, *, now: int) -> None:
        if not self.mended:
            message = f"nobody answers at {now}"
            raise OSError(message)


async def test_a_dead_letter_is_tried_again_and_keeps_its_error_until_it_is_done(database: Database) -> None:
    post = Post()
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
    assert not await tasks.retry(task.id, now=post.now), "it is no dead letter any more"
    again = await tasks.get(task.id)
    assert again is not None
    assert (again.state, again.attempts, again.due, again.finished) == ("queued", 0, post.now, None)
    assert again.error == task.error
    post.mended = True
    await turn()
    done = await tasks.get(task.id)
    assert done is not None
    assert (done.state, done.error) == ("done", None)
    assert [one.id async for one in tasks.search(("queued", "dead"))] == []
    assert [one.id async for one in tasks.search(("done",), "other")] == []


async def test_the_queue_in_numbers(database: Database) -> None:
    post = Post()
    worker = Worker(database, [Job("post", post, attempts=1), Job("later", post)], clock=post.clock, grace=5.0)
    services = ServiceRegistry(database=database, clock=post.clock)
    measures = {measure.name: measure.read for measure in queue_measures(services)}

    async def value(name: str) -> Mapping[tuple[str, ...], float]:
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
    post.mended = True
    await database.write(
        lambda: run([enqueue("post", {}, now=post.now), enqueue("later", {}, now=post.now, after=SECOND)])
    )
    await worker.loop.attempt()
    await worker._drain()
    assert await value("ostiary_task_success_timestamp_seconds") == {("post",): post.now / SECOND}
    assert await value("ostiary_task_overdue_seconds") == {(): 0.0}, "it is not due yet"
    post.now += 8 * SECOND
    assert await value("ostiary_task_overdue_seconds") == {(): 7.0}
    assert await value("ostiary_tasks") == {("waiting",): 1.0, ("running",): 0.0, ("dead",): 1.0}


async def test_one_worker_leads(database: Database) -> None:
    post = Post()
    post.mended = True
    jobs = [Job("post", post, schedule=60 * SECOND)]
    first, second = (Worker(database, jobs, clock=post.clock, grace=5.0) for _ in range(2))
    await first.loop.attempt()
    await second.loop.attempt()
    assert (await first.is_leader(), await second.is_leader()) == (True, False)
    await first._drain()
    await second._drain()
