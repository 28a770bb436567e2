"""The worker: it claims tasks, runs them and renews their leases. No task is lost when it stops."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from ostiary.room import GiveUp, Job
from ostiary.store.database import Database, Statement
from ostiary.store.loop import Loop
from ostiary.store.workspace.commit import run
from ostiary.tasks.repository import (
    MAX_RETRY_DELAY,
    Claim,
    LeaseLost,
    claim,
    finish_task,
    give_up,
    is_waiting,
    prolong_lease,
    release_task,
    retry_task,
)
from ostiary.tasks.schedule import fire, leader

SECOND: Final = 1_000_000
LEASE: Final = 30 * SECOND
AT_ONCE: Final = 4  # concurrent tasks of one worker
POLL: Final = 1.0  # seconds between polls, for tasks that other processes enqueue
BOUND: Final = 30.0  # seconds: maximum time between two successful turns
GRACE: Final = 20.0  # seconds for running tasks to end at shutdown
FIRST_WAIT: Final = SECOND  # after the first failure; doubled after each further one

_log: Final = logging.getLogger("ostiary.tasks")


def wall_clock() -> int:
    """Return microseconds since 1970 UTC."""
    return time.time_ns() // 1_000


class Worker:
    """Runs tasks until it is stopped. Any number of workers can share a database."""

    def __init__(
        self,
        database: Database,
        jobs: Sequence[Job],
        *,
        clock: Callable[[], int] = wall_clock,
        lease: int = LEASE,
        poll: float = POLL,
        grace: float = GRACE,
        at_once: int = AT_ONCE,
    ) -> None:
        self._database = database
        self._jobs = {job.name: job for job in jobs}
        self._names = tuple(self._jobs)
        self._clock = clock
        self._lease = lease
        self.loop: Final = Loop("queue", self._turn, every=poll, bound=BOUND)
        """The polling loop, which claims and starts due tasks."""
        self._grace = grace
        self._at_once = at_once
        self._owner = uuid.uuid4().hex
        self._wake_up = asyncio.Event()
        self._stopping = False
        self._ended = asyncio.Event()
        self._ended.set()
        self._running: dict[asyncio.Task[None], Claim] = {}
        self.runs: Final[Counter[tuple[str, ...]]] = Counter()
        """How often each task was run here, by its name and result: done, failed, given_up, taken_over."""

    @property
    def schedules(self) -> Mapping[str, int]:
        """How often each scheduled task is enqueued, by its name; in microseconds."""
        return {name: job.schedule for name, job in self._jobs.items() if job.schedule is not None}

    def wake(self) -> None:
        """Poll the queue now, because this process has enqueued and committed a task."""
        self._wake_up.set()

    async def is_leader(self) -> bool:
        """Return whether this worker enqueued the scheduled tasks last. Raises Unavailable."""
        return await leader(self._database) == self._owner

    async def run(self) -> None:
        """Run until `stop`. Running tasks then get the grace period to end; after it, they are released."""
        self._ended.clear()
        try:
            while not self._stopping:
                await self._sleep(await self.loop.attempt())
        finally:
            self.loop.end()
            await self._drain()
            self._ended.set()

    async def stop(self) -> None:
        """Claim no more tasks, and wait until the running ones have ended."""
        self._stopping = True
        self._wake_up.set()
        await self._ended.wait()

    async def _turn(self) -> None:
        await fire(self._database, tuple(self._jobs.values()), owner=self._owner, now=self._clock())
        while await self._claim_due():
            pass

    async def _claim_due(self) -> bool:
        """Claim as many due tasks as can run. Returns whether there may be more."""
        free = self._at_once - len(self._running)
        if free <= 0 or self._stopping or not self._names:
            return False
        now = self._clock()
        if not await self._database.fetch(is_waiting(self._names), *self._names, now):
            return False  # a read is cheap; only a claim writes
        dialect = self._database.dialect
        claims = await self._database.write(
            lambda: claim(self._names, owner=self._owner, now=now, lease=self._lease, most=free, dialect=dialect)
        )
        for task in claims:
            running = asyncio.create_task(self._run_task(task), name=f"ostiary-task-{task.name}")
            self._running[running] = task
            running.add_done_callback(self._forget)
        return bool(claims)

    def _forget(self, running: asyncio.Task[None]) -> None:
        self._running.pop(running, None)
        self._wake_up.set()  # another task can run

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake_up.wait(), seconds)
        self._wake_up.clear()

    async def _run_task(self, task: Claim) -> None:
        job = self._jobs[task.name]
        if task.attempt > job.attempts:  # every attempt ended with the loss of its worker
            await self._give_up(job, task, "the worker was lost in every attempt")
            return
        work = asyncio.create_task(self._handle(job, task))
        renewal = asyncio.create_task(self._renew_lease(task, work))
        try:
            await work
        except asyncio.CancelledError:
            me = asyncio.current_task()
            if me is None or me.cancelling():  # the worker stops; otherwise `_renew_lease` cancelled the task
                raise
            self.runs[task.name, "taken_over"] += 1
            _log.warning("task %s (%s) was taken over by another worker", task.id, task.name)
        except Exception as error:  # noqa: BLE001 - any error of a handler leads to a retry
            await self._failed(job, task, error)
        else:
            self.runs[task.name, "done"] += 1
            await self._write(finish_task(task, now=self._clock()), task)
        finally:
            renewal.cancel()

    async def _handle(self, job: Job, task: Claim) -> None:
        async with asyncio.timeout(job.limit / SECOND):
            await job.handler(task.args, now=self._clock())

    async def _renew_lease(self, task: Claim, work: asyncio.Task[None]) -> None:
        """Renew the lease three times per lease period. Cancel the work if the lease is lost."""
        while True:
            await asyncio.sleep(self._lease / SECOND / 3)
            try:
                await self._database.write(partial(run, [prolong_lease(task, until=self._clock() + self._lease)]))
            except LeaseLost:
                work.cancel()
                return
            except Exception as error:  # noqa: BLE001 - without the renewals another worker would start the task again
                _log.warning("the lease of task %s (%s) could not be renewed: %s", task.id, task.name, error)

    async def _failed(self, job: Job, task: Claim, error: Exception) -> None:
        message = str(error) if isinstance(error, GiveUp) else f"{type(error).__name__}: {error}"
        if isinstance(error, GiveUp) or task.attempt >= job.attempts:
            _log.error("task %s (%s) failed for good after %d attempts: %s", task.id, task.name, task.attempt, message)
            await self._give_up(job, task, message)
            return
        self.runs[task.name, "failed"] += 1
        wait = delay(task.attempt, random.random())  # noqa: S311 - it only spreads the load
        _log.warning(
            "task %s (%s) failed, retry in %d s: %s", task.id, task.name, wait // SECOND, message, exc_info=error
        )
        await self._write(retry_task(task, error=message, due=self._clock() + wait), task)

    async def _give_up(self, job: Job, task: Claim, message: str) -> None:
        self.runs[task.name, "given_up"] += 1
        now = self._clock()
        more = job.given_up(task.args, message, now) if job.given_up is not None else ()
        await self._write(give_up(task, error=message, now=now), task, *more)

    async def _write(self, statement: Statement, task: Claim, *more: Statement) -> None:
        try:
            await self._database.write(partial(run, (statement, *more)))
        except LeaseLost:
            _log.warning("task %s (%s) was taken over by another worker", task.id, task.name)
        except Exception as error:  # noqa: BLE001 - the lease expires, and the task runs again
            _log.warning("the result of task %s (%s) could not be stored: %s", task.id, task.name, error)

    async def _drain(self) -> None:
        if not self._running:
            return
        claims = dict(self._running)
        _, unfinished = await asyncio.wait(tuple(claims), timeout=self._grace)
        for running in unfinished:
            task = claims[running]
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            _log.warning("task %s (%s) did not end in time and is released", task.id, task.name)
            await self._write(release_task(task, now=self._clock()), task)


def delay(attempt: int, jitter: float) -> int:
    """Return the delay before the next attempt, in microseconds. `jitter` is between 0 and 1."""
    longest: int = min(FIRST_WAIT * 2 ** (attempt - 1), MAX_RETRY_DELAY)
    return round(longest * (0.5 + jitter / 2))
