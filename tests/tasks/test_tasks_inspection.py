"""What an operator sees of the queue, on each database."""

from __future__ import annotations

from ostiary.room import Job
from ostiary.store.database import Database
from ostiary.store.workspace.commit import run
from ostiary.tasks.inspection import STATES, TaskList
from ostiary.tasks.job import enqueue
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
