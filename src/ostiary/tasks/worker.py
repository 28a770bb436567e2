"""The worker: claims tasks, keeps their leases alive, and ends without losing any."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from ostiary.room import Job
from ostiary.store.database import Database, Statement
from ostiary.store.loop import Loop
from ostiary.store.workspace.commit import run
from ostiary.tasks.repository import (
    LONGEST_WAIT,
    Claim,
    LeaseLost,
    claim,
    finish,
    give_up,
    is_waiting,
    prolong,
    release,
    retry,
)
from ostiary.tasks.schedule import fire

SECOND: Final = 1_000_000
LEASE: Final = 30 * SECOND
AT_ONCE: Final = 4  # tasks one worker does at the same time
POLL: Final = 1.0  # seconds between two looks for what other processes have queued
BOUND: Final = 30.0  # seconds within which a turn has to succeed
GRACE: Final = 20.0  # seconds that work in flight has to end at shutdown
FIRST_WAIT: Final = SECOND  # after the first failure; doubled each time

_log: Final = logging.getLogger("ostiary.tasks")


def wall_clock() -> int:
    """Return microseconds since 1970 UTC."""
    return time.time_ns() // 1_000


class Worker:
    """Does tasks until it is stopped. Any number of workers may share a database."""

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
        """The turns of the queue: what is due is claimed and begun."""
        self._grace = grace
        self._at_once = at_once
        self._owner = uuid.uuid4().hex
        self._bell = asyncio.Event()
        self._stopping = False
        self._ended = asyncio.Event()
        self._ended.set()
        self._running: dict[asyncio.Task[None], Claim] = {}

    def wake(self) -> None:
        """Look into the queue now: somebody in this process has put a task there and committed."""
        self._bell.set()

    async def run(self) -> None:
        """Work until `stop`; what is in flight then has the grace time to end, and is handed back after it."""
        self._ended.clear()
        try:
            while not self._stopping:
                await self._rest(await self.loop.attempt())
        finally:
            self.loop.end()
            await self._wind_up()
            self._ended.set()

    async def stop(self) -> None:
        """Take no more work, and return when what is in flight has ended."""
        self._stopping = True
        self._bell.set()
        await self._ended.wait()

    async def _turn(self) -> None:
        await fire(self._database, tuple(self._jobs.values()), owner=self._owner, now=self._clock())
        while await self._take():
            pass

    async def _take(self) -> bool:
        """Claim what there is room for; say whether there may be more at once."""
        room = self._at_once - len(self._running)
        if room <= 0 or self._stopping or not self._names:
            return False
        now = self._clock()
        if not await self._database.fetch(is_waiting(self._names), *self._names, now):
            return False  # a reading costs nothing; only a claim is written
        dialect = self._database.dialect
        claims = await self._database.write(
            lambda: claim(self._names, owner=self._owner, now=now, lease=self._lease, most=room, dialect=dialect)
        )
        for task in claims:
            running = asyncio.create_task(self._do(task), name=f"ostiary-task-{task.name}")
            self._running[running] = task
            running.add_done_callback(self._forget)
        return bool(claims)

    def _forget(self, running: asyncio.Task[None]) -> None:
        self._running.pop(running, None)
        self._bell.set()  # there is room again

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._bell.wait(), seconds)
        self._bell.clear()

    async def _do(self, task: Claim) -> None:
        job = self._jobs[task.name]
        if task.attempt > job.attempts:  # its workers were lost each time, without a word
            await self._give_up(job, task, "the worker was lost every time")
            return
        work = asyncio.create_task(self._handle(job, task))
        beat = asyncio.create_task(self._keep(task, work))
        try:
            await work
        except asyncio.CancelledError:
            me = asyncio.current_task()
            if me is None or me.cancelling():  # the worker ends; else only the work was stopped, by `_keep`
                raise
            _log.warning("task %s (%s) was taken over by another worker", task.id, task.name)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises, the task is tried again
            await self._failed(job, task, error)
        else:
            await self._write(finish(task, now=self._clock()), task)
        finally:
            beat.cancel()

    async def _handle(self, job: Job, task: Claim) -> None:
        async with asyncio.timeout(job.limit / SECOND):
            await job.handler(task.args, now=self._clock())

    async def _keep(self, task: Claim, work: asyncio.Task[None]) -> None:
        """Renew the lease three times in its length; stop the work when it is lost."""
        while True:
            await asyncio.sleep(self._lease / SECOND / 3)
            try:
                await self._database.write(partial(run, [prolong(task, until=self._clock() + self._lease)]))
            except LeaseLost:
                work.cancel()
                return
            except Exception as error:  # noqa: BLE001 - without renewal another worker would begin the task again
                _log.warning("the lease of task %s (%s) could not be renewed: %s", task.id, task.name, error)

    async def _failed(self, job: Job, task: Claim, error: Exception) -> None:
        told = f"{type(error).__name__}: {error}"
        if task.attempt >= job.attempts:
            _log.error("task %s (%s) is given up after %d attempts: %s", task.id, task.name, task.attempt, told)
            await self._give_up(job, task, told)
            return
        wait = delay(task.attempt, random.random())  # noqa: S311 - it only spreads the load
        _log.warning("task %s (%s) failed, again in %d s: %s", task.id, task.name, wait // SECOND, told, exc_info=error)
        await self._write(retry(task, error=told, due=self._clock() + wait), task)

    async def _give_up(self, job: Job, task: Claim, told: str) -> None:
        now = self._clock()
        more = job.given_up(task.args, told, now) if job.given_up is not None else ()
        await self._write(give_up(task, error=told, now=now), task, *more)

    async def _write(self, statement: Statement, task: Claim, *more: Statement) -> None:
        try:
            await self._database.write(partial(run, (statement, *more)))
        except LeaseLost:
            _log.warning("task %s (%s) was taken over by another worker", task.id, task.name)
        except Exception as error:  # noqa: BLE001 - the lease runs out, and the task is done again
            _log.warning("the end of task %s (%s) could not be noted: %s", task.id, task.name, error)

    async def _wind_up(self) -> None:
        if not self._running:
            return
        claims = dict(self._running)
        _, late = await asyncio.wait(tuple(claims), timeout=self._grace)
        for running in late:
            task = claims[running]
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            _log.warning("task %s (%s) did not end in time and is handed back", task.id, task.name)
            await self._write(release(task, now=self._clock()), task)


def delay(attempt: int, jitter: float) -> int:
    """Return how long to wait after that many attempts, in microseconds; `jitter` is from 0 to 1."""
    longest: int = min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT)
    return round(longest * (0.5 + jitter / 2))
