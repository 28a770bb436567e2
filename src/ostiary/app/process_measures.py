"""What a process knows of itself, for the page of metrics."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ostiary.room import Measure

if TYPE_CHECKING:
    from ostiary.app.background import Background
    from ostiary.app.core import Core
    from ostiary.app.listening.connection_limits import ConnectionLimits
    from ostiary.room import Samples

LAG_EVERY: Final = 1.0  # seconds between two looks
_LAG_KEPT: Final = 60  # looks: a scrape in every minute misses nothing


class LoopLag:
    """How late the event loop does what is due: the longest delay of the last minute, in seconds."""

    def __init__(self) -> None:
        self._delays: deque[float] = deque(maxlen=_LAG_KEPT)
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def start(self) -> None:
        """Look each second from now on. In the event loop that is measured."""
        loop = asyncio.get_running_loop()
        self._due = loop.time() + LAG_EVERY
        self._timer = loop.call_at(self._due, self._look, loop)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def longest(self) -> float:
        """Return the longest delay, in seconds."""
        return max(self._delays, default=0.0)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._delays.append(max(0.0, loop.time() - self._due))
        self.start()


def process_measures(core: Core, background: Background, lag: LoopLag) -> Iterable[Measure]:
    """Return what every process shows: its background work, event loop, and how the database answers it."""
    database = core.database

    async def latency() -> Samples:
        started = time.perf_counter()
        await database.fetch("SELECT 1")
        return {(): time.perf_counter() - started}

    async def revision() -> Samples:
        return {(): float(await core.plane.stored_number())}

    async def leader() -> Samples:
        return {(): float(await background.is_leader())}

    yield Measure(
        name="ostiary_database_latency_seconds", summary="How long a small query took at this scrape.", read=latency
    )
    yield Measure(
        name="ostiary_database_config_revision", summary="The configuration revision in the database.", read=revision
    )
    yield Measure(name="ostiary_leader", summary="1 where this process enqueued the scheduled tasks last.", read=leader)
    yield Measure(
        name="ostiary_background_alive",
        summary="1 while the background work of that name goes on, 0 when it ended or hangs.",
        labels=("work",),
        read=lambda: {(loop.name,): float(not loop.is_dead()) for loop in background.loops},
    )
    yield Measure(
        name="ostiary_event_loop_lag_seconds",
        summary="How late the event loop was, at most within the last minute.",
        read=lambda: {(): lag.longest()},
    )


def connection_measures(limits: ConnectionLimits) -> Iterable[Measure]:
    """Return how short the connections of the pages are."""
    yield Measure(
        name="ostiary_connections_refused",
        summary="Connections that were refused, because there were too many.",
        kind="counter",
        read=lambda: {(): limits.refused},
    )
    yield Measure(
        name="ostiary_connections_evicted",
        summary="Connections that were closed for others, because there were too many.",
        kind="counter",
        read=lambda: {(): limits.evicted},
    )
