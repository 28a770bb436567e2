"""What a process knows of its database, for the page of metrics."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ostiary.room import Measure, by_one_label
from ostiary.store.activity import Activity, activity_of
from ostiary.store.configuration.plane import ConfigPlane

if TYPE_CHECKING:
    from ostiary.room import Samples, ServiceRegistry


def database_measures(services: ServiceRegistry) -> Iterable[Measure]:
    """Return what the database does, how fast, and why it does not."""
    yield from _activity_measures(activity_of(services.database))

    async def latency() -> Samples:
        started = time.perf_counter()
        await services.database.fetch("SELECT 1")
        return {(): time.perf_counter() - started}

    async def revision() -> Samples:
        return {(): await services[ConfigPlane].stored_number()}

    yield Measure(
        name="ostiary_database_latency_seconds",
        summary="How long a small query took at this scrape; missing while the database does not answer.",
        read=latency,
    )
    yield Measure(
        name="ostiary_database_config_revision",
        summary="The configuration revision in the database.",
        read=revision,
    )


def _activity_measures(activity: Activity) -> Iterable[Measure]:
    calls = {("read",): activity.reads, ("write",): activity.writes}
    yield Measure(
        name="ostiary_database_seconds",
        summary="How long reads and writes waited for the answer of the database. Short reads of SQLite do not wait.",
        labels=("operation",),
        kind="histogram",
        read=lambda: {labels: one.durations for labels, one in calls.items()},
    )
    yield Measure(
        name="ostiary_database_waiting",
        summary="Reads and writes that wait for the database now.",
        labels=("operation",),
        read=lambda: {labels: one.waiting for labels, one in calls.items()},
    )
    yield Measure(
        name="ostiary_database_errors",
        summary="Reads and writes, also of background work, that failed because the database was unavailable.",
        labels=("reason",),
        kind="counter",
        read=lambda: by_one_label(activity.errors),
    )
    yield Measure(
        name="ostiary_database_connections",
        summary="Open connections to PostgreSQL: those that read, those that are idle, and the one that writes.",
        labels=("state",),
        read=lambda: by_one_label(activity.pool()),
    )
    yield Measure(
        name="ostiary_database_connections_lost",
        summary="Connections to PostgreSQL that were lost.",
        kind="counter",
        read=lambda: {(): activity.lost},
    )
