"""The metrics of the queue. They are read from the database and are the same in every process."""

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
    """Return the metrics: tasks by state, the delay of the oldest task, and the last success of each task."""
    database = services.database

    async def count() -> Samples:
        numbers = {row["state"]: float(row["number"]) for row in await database.fetch(_COUNT)}
        return {(word,): numbers.get(state, 0.0) for state, word in _WORDS.items()}

    async def oldest() -> Samples:
        due = (await database.fetch(_OLDEST))[0]["due"]
        return {(): 0.0 if due is None else max(0.0, (services.clock() - due) / _SECOND)}

    async def last() -> Samples:
        return {(row["name"],): row["finished"] / _SECOND for row in await database.fetch(_LAST)}

    return (
        Measure(name="ostiary_tasks", summary="Tasks in the queue, by state.", labels=("state",), read=count),
        Measure(
            name="ostiary_task_overdue_seconds",
            summary="Delay of the oldest due task. It grows if there is no worker, or a worker was lost.",
            read=oldest,
        ),
        Measure(
            name="ostiary_task_success_timestamp_seconds",
            summary="Last success of a task, within the last day.",
            labels=("task",),
            read=last,
        ),
    )
