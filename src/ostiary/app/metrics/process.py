"""What a process knows of itself, for the page of metrics."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from ostiary.app.logs import LOGGED
from ostiary.app.metrics.memory import memory_limit
from ostiary.room import Measure, by_one_label

if TYPE_CHECKING:
    from ostiary.app.background import Background
    from ostiary.app.core import Core
    from ostiary.app.listening.connection_limits import ConnectionLimits
    from ostiary.app.metrics.ticks import ClockJumps, LoopLag
    from ostiary.room import Samples
    from ostiary.store.loop import Loop

_SECOND: Final = 1_000_000  # microseconds


def process_measures(core: Core, background: Background, lag: LoopLag, jumps: ClockJumps) -> Iterable[Measure]:
    """Return what every process shows: its configuration, background work, event loop, clock and memory."""
    yield Measure(
        name="ostiary_config_revision",
        summary="The configuration revision in memory.",
        read=lambda: {(): core.plane.snapshot.number},
    )
    for loop in background.loops:
        yield Measure(
            name=f"ostiary_{loop.name.replace(' ', '_')}_age_seconds",
            summary=f"Since the last turn of: {loop.name}.",
            read=partial(_age, loop),
        )
    yield from _background_measures(background)
    yield Measure(
        name="ostiary_event_loop_lag_seconds",
        summary="How late the event loop was, at most within the last minute.",
        read=lambda: {(): lag.longest()},
    )
    yield Measure(
        name="ostiary_clock_jumps",
        summary="How often the clock of the machine was set by seconds, forward or back.",
        labels=("direction",),
        kind="counter",
        read=lambda: {("forward",): jumps.forward, ("back",): jumps.back},
    )
    yield Measure(
        name="ostiary_log_lines",
        summary="Lines of the log that somebody should look at: warnings and errors.",
        labels=("level",),
        kind="counter",
        read=lambda: by_one_label(LOGGED),
    )
    yield Measure(
        name="ostiary_memory_limit_bytes",
        summary="How much memory the process may use; missing where nothing limits it.",
        read=_memory,
    )


def _background_measures(background: Background) -> Iterable[Measure]:
    async def leader() -> Samples:
        return {(): float(await background.is_leader())}

    yield Measure(
        name="ostiary_background_alive",
        summary="1 while the background work of that name goes on, 0 when it ended or hangs.",
        labels=("work",),
        read=lambda: {(loop.name,): not loop.is_dead() for loop in background.loops},
    )
    yield Measure(name="ostiary_leader", summary="1 where this process enqueued the scheduled tasks last.", read=leader)
    yield Measure(
        name="ostiary_task_runs",
        summary="Runs of tasks in this process, by result: done, failed (and tried again), given_up, taken_over.",
        labels=("task", "result"),
        kind="counter",
        read=lambda: background.task_runs,
    )

    yield Measure(
        name="ostiary_task_schedule_seconds",
        summary="How often each scheduled task is enqueued.",
        labels=("task",),
        read=lambda: {(task,): every / _SECOND for task, every in background.task_schedules.items()},
    )


def connection_measures(limits: ConnectionLimits) -> Iterable[Measure]:
    """Return how short the connections of the pages are."""
    yield Measure(
        name="ostiary_connections",
        summary="Open connections of the listeners of pages.",
        read=lambda: {(): len(limits)},
    )
    yield Measure(
        name="ostiary_connections_limit",
        summary="How many connections may be open; the number of files the process may open decides.",
        read=lambda: {(): limits.limit},
    )
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
    yield Measure(
        name="ostiary_accept_errors",
        summary="How often a connection could not be accepted, for want of file descriptors above all.",
        kind="counter",
        read=lambda: {(): limits.errors},
    )


def _age(loop: Loop) -> Samples:
    return {(): loop.age()}


def _memory() -> Samples:
    limit = memory_limit()
    return {} if limit is None else {(): limit}
