"""Background work: the queue's worker with every room's jobs, and the loops that keep this process up to date."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final

from ostiary.app.core import Core
from ostiary.room import Job
from ostiary.store.loop import Loop
from ostiary.tasks.worker import Worker

GRACE: Final = 15.0  # seconds a task in flight has at shutdown

log = logging.getLogger("ostiary.app")


def jobs_of(core: Core) -> Sequence[Job]:
    """Return every room's jobs."""
    jobs = tuple(job for room in core.rooms for job in room.jobs(core.services))
    if core.tracer is None:
        return jobs
    from ostiary.tracing.tasks import traced_job  # noqa: PLC0415 - most installations trace nothing

    return tuple(traced_job(core.tracer, job) for job in jobs)


class Background:
    """The tasks of one process. `worker` False leaves the queue to other processes."""

    def __init__(self, core: Core, *, worker: bool) -> None:
        self._worker = Worker(core.database, jobs_of(core), grace=GRACE, clock=core.services.clock) if worker else None
        self._loops = [core.plane.watch, *(loop for room in core.rooms for loop in room.watches(core.services))]
        self._tasks: list[asyncio.Task[None]] = []
        if worker:
            self._loops.extend(loop for room in core.rooms for loop in room.loops(core.services))

    @property
    def loops(self) -> Sequence[Loop]:
        """The background loops of this process, for health and metrics."""
        return (*self._loops, *((self._worker.loop,) if self._worker is not None else ()))

    @property
    def task_runs(self) -> Mapping[tuple[str, ...], int]:
        """How often each task was run by this process since the start, by its name and result."""
        return {} if self._worker is None else self._worker.runs

    @property
    def task_schedules(self) -> Mapping[str, int]:
        """How often each scheduled task is enqueued, by its name; in microseconds."""
        return {} if self._worker is None else self._worker.schedules

    async def is_leader(self) -> bool:
        """Return whether this process enqueued the scheduled tasks last. Raises Unavailable."""
        return self._worker is not None and await self._worker.is_leader()

    def start(self) -> None:
        """Start the loops and the worker."""
        for loop in self._loops:
            self._begin(loop.run())
        if self._worker is not None:
            self._begin(self._worker.run())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(_log_failure)
        self._tasks.append(task)

    async def stop(self) -> None:
        """Stop. Running tasks are finished, or returned to the queue after the grace period."""
        if self._worker is not None:
            await self._worker.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a background task ended by itself", exc_info=error)
