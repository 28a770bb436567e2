"""The queue in numbers, for the page of metrics. Every process reads the same ones from the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.room import Measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ostiary.room import Samples, ServiceRegistry

_SECOND: Final = 1_000_000  # microseconds
_WORDS: Final = {"queued": "waiting", "running": "running", "dead": "dead"}
_COUNT: Final = "SELECT state, COUNT(*) AS number FROM task WHERE state <> 'done' GROUP BY state"
_OLDEST: Final = "SELECT MIN(due) AS due FROM task WHERE due IS NOT NULL"
_LAST: Final = "SELECT name, MAX(finished) AS finished FROM task WHERE state = 'done' GROUP BY name"


def queue_measures(services: ServiceRegistry) -> Sequence[Measure]:
    """Return the depth of the queue, the age of its oldest task, dead letters, and when each task last succeeded."""
    database = services.database

    async def count() -> Samples:
        found = {row["state"]: float(row["number"]) for row in await database.fetch(_COUNT)}
        return {(word,): found.get(state, 0.0) for state, word in _WORDS.items()}

    async def oldest() -> Samples:
        due = (await database.fetch(_OLDEST))[0]["due"]
        return {(): 0.0 if due is None else max(0.0, (services.clock() - due) / _SECOND)}

    async def last() -> Samples:
        return {(row["name"],): row["finished"] / _SECOND for row in await database.fetch(_LAST)}

    return (
        Measure(
            name="ostiary_tasks", summary="Tasks of the queue: waiting, running, dead.", labels=("state",), read=count
        ),
        Measure(
            name="ostiary_task_overdue_seconds",
            summary="How long the oldest task is overdue: nobody runs it, or its worker is lost.",
            read=oldest,
        ),
        Measure(
            name="ostiary_task_success_timestamp_seconds",
            summary="When a task of that name last succeeded, within a day.",
            labels=("task",),
            read=last,
        ),
    )
