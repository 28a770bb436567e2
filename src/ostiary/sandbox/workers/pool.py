"""A pool of workers: how many runs there are at once, and how long others wait."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from ostiary.sandbox.workers.outcome import Aborted, AbortReason, Outcome
from ostiary.sandbox.workers.run_request import CURRENT, DEPTH, RunRequest
from ostiary.sandbox.workers.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from ostiary.sandbox.workers.processes import ProcessPool
    from ostiary.sandbox.workers.run import Run

QUEUE: Final = 64  # waiting runs
WAIT: Final = 5.0  # seconds

log: Final = logging.getLogger("ostiary.sandbox")


class Pool:
    """Runs programs on at most `slots` workers at once, not counting runs inside each other."""

    def __init__(self, name: str, slots: int) -> None:
        self.name = name
        self.tally = Tally(name)
        self.waiting = 0
        self._most = slots * DEPTH
        self._slots = asyncio.Semaphore(slots)
        self._starting = asyncio.Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._processes: ProcessPool | None = None
        self._runs: set[Run] = set()
        self._closed = False

    async def first(self, request: Callable[[], RunRequest]) -> Outcome:
        """Do a run that is in no other one, when its turn comes. The budget begins then: `request` is called then."""
        outcome = await self._waited()
        if outcome is not None:
            return self.tally.ended(outcome)
        task = asyncio.ensure_future(self._held(request))
        return await asyncio.shield(task)  # a caller that goes away leaves a worker that is still busy

    async def _waited(self) -> Outcome | None:
        """Wait for a turn; returns the outcome of a run that gets none."""
        # A56: a queue has an end, and a wait
        if self.waiting >= QUEUE:
            return Aborted(AbortReason.BUSY, "too many expressions wait for a worker")
        began = time.perf_counter()
        self.waiting += 1
        try:
            async with asyncio.timeout(WAIT):
                await self._slots.acquire()
        except TimeoutError:
            return Aborted(AbortReason.BUSY, "no worker was free in time")
        finally:
            self.waiting -= 1
            self.tally.waited += time.perf_counter() - began
        return None

    async def _held(self, request: Callable[[], RunRequest]) -> Outcome:
        try:
            return await self.inner(request())
        finally:
            self._slots.release()

    async def inner(self, request: RunRequest) -> Outcome:
        """Do a run at once. A run inside another one needs no turn: there are workers for it."""
        return self.tally.ended(await self._run(request))

    async def _run(self, request: RunRequest) -> Outcome:
        try:
            threads, processes = await self._started()
        except Exception as error:
            log.exception("no worker for expressions can be started")
            return Aborted(AbortReason.UNAVAILABLE, f"no worker can be started: {type(error).__name__}")
        context = contextvars.copy_context()
        context.run(CURRENT.set, request)
        run = processes.run(request)
        self._runs.add(run)
        try:
            return await request.loop.run_in_executor(threads, context.run, run.execute)
        finally:
            self._runs.discard(run)

    async def _started(self) -> tuple[ThreadPoolExecutor, ProcessPool]:
        async with self._starting:
            if self._closed:
                raise RuntimeError("the workers are closed")
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._most, thread_name_prefix=f"expressions-{self.name}")
            if self._processes is None:
                self._processes = await asyncio.get_running_loop().run_in_executor(
                    self._threads, _start, self._most, self.tally
                )
            return self._threads, self._processes

    async def close(self) -> None:
        """End the workers. Runs in flight end as soon as they call the host, or with their worker."""
        self._closed = True
        for run in self._runs:
            run.cancel()
        if self._processes is not None:
            await asyncio.to_thread(self._processes.close)
            self._processes = None
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


def _start(most: int, tally: Tally) -> ProcessPool:
    from ostiary.sandbox.workers.processes import ProcessPool  # noqa: PLC0415 - not for installations without expressions

    return ProcessPool(most, tally)
