"""The scheduler: one leader enqueues the periodic jobs.

The leader is the process that holds the lease when a job is due. Nothing is written until a job is due, so that the
disk of an idle installation can sleep.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ostiary.room import Job
from ostiary.store.database import Batch, Database, Guard, Statement
from ostiary.tasks.job import enqueue
from ostiary.tasks.repository import wake

LEASE: Final = 60_000_000  # microseconds


class NotLeader(Exception):
    """Another process is the leader."""


async def fire(database: Database, jobs: Sequence[Job], *, owner: str, now: int) -> int:
    """Enqueue the due jobs and return their number. Raises Unavailable."""
    due = await _due(database, jobs, now)
    if not due:
        return 0
    try:
        return await database.write(lambda: _fire(due, owner, now))
    except NotLeader:
        return 0


async def leader(database: Database) -> str:
    """Return the owner that enqueued scheduled tasks last, or "" if there was none. Raises Unavailable."""
    owner: str = (await database.fetch("SELECT owner FROM task_leader WHERE id = 1"))[0]["owner"]
    return owner


async def _due(database: Database, jobs: Sequence[Job], now: int) -> list[tuple[Job, int]]:
    """Return the due jobs with their slots. A new job is due at once."""
    slots = {row["name"]: row["due"] for row in await database.fetch("SELECT name, due FROM task_schedule")}
    due = []
    for job in jobs:
        if job.schedule is None:
            continue
        slot = slots.get(job.name, 0)
        # A slot far in the future comes from a longer interval, or from a wrong clock.
        if slot <= now or slot > now + job.schedule:
            due.append((job, slot))
    return due


def _fire(due: Sequence[tuple[Job, int]], owner: str, now: int) -> Batch[int]:
    yield Statement(
        "UPDATE task_leader SET owner = ?, expires = ? WHERE id = 1 AND (owner = ? OR expires <= ? OR expires > ?)",
        (owner, now + LEASE, owner, now, now + 2 * LEASE),
        guard=Guard(NotLeader),
    )
    yield wake(now)
    fired = 0
    for job, slot in due:
        following = now + (job.schedule or 0)
        result = yield Statement(
            "INSERT INTO task_schedule (name, due) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET due = excluded.due WHERE task_schedule.due = ?",
            (job.name, following, slot),
        )
        if result.count:  # otherwise the previous leader enqueued it after our read
            yield enqueue(job.name, {}, key=f"schedule:{job.name}:{following}", now=now)
            fired += 1
    return fired
