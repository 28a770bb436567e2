"""Work that nobody waits for: the queue's worker with every room's jobs, and the tasks that keep this process fresh."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from ostiary.app.core import Core, clock
from ostiary.app.hooks import session_hooks
from ostiary.blueprints import room as blueprints
from ostiary.directory import room as directory
from ostiary.events import room as events
from ostiary.flows import room as flows
from ostiary.grants import room as grants
from ostiary.providers.oauth2 import room as oauth2
from ostiary.sessions.expiry import end_expired
from ostiary.store import room as store
from ostiary.store.database import Statement
from ostiary.store.loop import Loop
from ostiary.tasks import room as tasks
from ostiary.tasks.cleanup import Sweeper
from ostiary.tasks.job import MINUTE, Job
from ostiary.tasks.worker import Worker

GRACE: Final = 15.0  # seconds a task in flight has at shutdown

log = logging.getLogger("ostiary.app")


def sweepers() -> Sequence[Sweeper]:
    """Return what deletes rows that expired, of every room."""
    return (
        *store.SWEEPS,
        *tasks.SWEEPS,
        *events.SWEEPS,
        *directory.SWEEPS,
        *flows.SWEEPS,
        *_singly(grants.sweep),
    )


def jobs(core: Core) -> Sequence[Job]:
    """Return every room's jobs."""

    async def rotate(args: Mapping[str, object], *, now: int) -> None:
        del args
        await core.tokens.rotate_expired(now)

    on_end = session_hooks(core.plane).on_end

    async def end_sessions(args: Mapping[str, object], *, now: int) -> None:
        del args
        await end_expired(core.database, on_end, now)

    return (
        *tasks.jobs(core.database, sweepers()),
        *blueprints.jobs(core.discovery),
        *oauth2.jobs(core.database, core.plane, core.users),
        Job("sessions.end_expired", end_sessions, schedule=MINUTE),
        Job("directory.rotate_expired_tokens", rotate, schedule=60 * MINUTE),
    )


class Background:
    """The tasks of one process. `worker` False leaves the queue to other processes."""

    def __init__(self, core: Core, *, worker: bool) -> None:
        self._worker = Worker(core.database, jobs(core), grace=GRACE) if worker else None
        self._loops = [core.plane.watch]
        self._tasks: list[asyncio.Task[None]] = []
        folder = core.settings.blueprints_dir
        if worker and folder is not None:
            self._loops.append(blueprints.watch(core.database, folder, clock=clock))

    @property
    def loops(self) -> Sequence[Loop]:
        """Everything that goes on by itself in this process, for health and metrics."""
        return (*self._loops, *((self._worker.loop,) if self._worker is not None else ()))

    def start(self) -> None:
        """Begin."""
        for loop in self._loops:
            self._begin(loop.run())
        if self._worker is not None:
            self._begin(self._worker.run())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(_told)
        self._tasks.append(task)

    async def stop(self) -> None:
        """End: tasks in flight are finished, or handed back after the grace time."""
        if self._worker is not None:
            await self._worker.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _told(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a background task ended by itself", exc_info=error)


def _singly(sweep: Callable[[int], Iterable[Statement]]) -> Sequence[Sweeper]:
    """Return one sweeper for each statement of a sweep that has several."""

    def nth(position: int, now: int) -> Statement:
        return tuple(sweep(now))[position]

    return tuple(partial(nth, position) for position in range(len(tuple(sweep(0)))))
