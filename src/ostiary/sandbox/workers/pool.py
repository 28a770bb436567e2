"""A pool of workers, with a queue of runs."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from typing import TYPE_CHECKING, Final

from ostiary.sandbox.workers.outcome import Aborted, AbortReason, Outcome
from ostiary.sandbox.workers.run_counters import RunCounters
from ostiary.sandbox.workers.run_queue import RunQueue
from ostiary.sandbox.workers.run_request import CURRENT, MAX_NESTED_RUNS, RunRequest
from ostiary.sandbox.workers.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from ostiary.sandbox.workers.processes import ProcessPool
    from ostiary.sandbox.workers.run import Run

MAX_WAITING: Final = 64  # waiting runs
MAX_WAIT: Final = 5.0  # seconds

log: Final = logging.getLogger("ostiary.sandbox")


class Pool:
    """Runs programs on at most `slots` workers at once, not counting runs inside each other."""

    def __init__(self, name: str, slots: int) -> None:
        self.name = name
        self.tally = RunCounters(name)
        self.queue = RunQueue(slots)
        self._most = slots * MAX_NESTED_RUNS
        self._threads: Threads[Outcome] = Threads(f"expressions-{name}")
        self._starting = asyncio.Lock()
        self._processes: ProcessPool | None = None
        self._runs: set[Run] = set()
        self._closed = False

    async def first(self, request: Callable[[], RunRequest]) -> Outcome:
        """Do a run that is in no other one, when its turn comes. The budget begins then: `request` is called then."""
        # guard: A56 the queue of runs has an end
        if self.queue.waiting >= MAX_WAITING:
            return self.tally.ended(Aborted(AbortReason.BUSY, "too many expressions wait for a worker"))
        if not await self.queue.take(MAX_WAIT):
            return self.tally.ended(Aborted(AbortReason.BUSY, "no worker was free in time"))
        return await self._run(request(), self.queue.end)

    async def inner(self, request: RunRequest) -> Outcome:
        """Do a run at once: a run in another one has the turn of that one, and there are workers for it."""
        return await self._run(request, lambda: None)

    async def _run(self, request: RunRequest, release: Callable[[], None]) -> Outcome:
        """Do a run, and call `release` when it has ended: a caller that goes away leaves a busy worker behind."""
        try:
            processes = self._processes or await self._started()
        except Exception as error:
            log.exception("no worker for expressions can be started")
            release()
            return self.tally.ended(Aborted(AbortReason.UNAVAILABLE, f"no worker was started: {type(error).__name__}"))
        except BaseException:
            release()
            raise
        run = processes.run(request)
        self._runs.add(run)
        result: asyncio.Future[Outcome] = request.loop.create_future()

        def ended(outcome: Outcome) -> None:
            self._runs.discard(run)
            release()
            self.tally.ended(outcome)
            if not result.done():
                result.set_result(outcome)

        context = contextvars.copy_context()
        context.run(CURRENT.set, request)
        self._threads.do(lambda: context.run(run.execute), ended)
        return await result

    async def _started(self) -> ProcessPool:
        async with self._starting:
            if self._closed:
                raise RuntimeError("the workers are closed")
            if self._processes is None:
                self._processes = await asyncio.to_thread(_start, self._most, self.tally)
            return self._processes

    async def close(self) -> None:
        """End the workers, and the runs in flight with them."""
        async with self._starting:
            self._closed = True
            processes, self._processes = self._processes, None
        for run in self._runs:
            run.cancel()
        if processes is not None:
            await asyncio.to_thread(processes.close)
        self._threads.end()


def _start(most: int, tally: RunCounters) -> ProcessPool:
    from ostiary.sandbox.workers.processes import ProcessPool  # noqa: PLC0415 - not for those without expressions

    return ProcessPool(most, tally)
