"""The repository of tasks: every SQL statement of the queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

from ostiary.record import dataclass
from ostiary.resource.codec import decode
from ostiary.store.database import Batch, Dialect, Guard, Row, Statement
from ostiary.store.sweeping import bite

DAY: Final = 86_400_000_000
MAX_RETRY_DELAY: Final = 3_600_000_000  # microseconds: the maximum delay of a retry
SKEW: Final = 60_000_000  # microseconds between the clocks of several servers
KEPT_DONE: Final = DAY
KEPT_DEAD: Final = 30 * DAY
_ERROR_LENGTH: Final = 2_000


class LeaseLost(Exception):
    """Another worker has claimed the task, because its lease was not renewed in time."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A task claimed by this owner. `attempt` counts from 1."""

    id: str
    name: str
    args: Mapping[str, object]
    owner: str
    attempt: int


def is_waiting(names: Sequence[str]) -> str:
    """Return the query that checks whether a task is due. Its parameters are the names and the time."""
    return f"SELECT 1 AS waiting FROM task WHERE name IN ({_placeholders(names)}) AND due <= ? LIMIT 1"


def claim(
    names: Sequence[str], *, owner: str, now: int, lease: int, most: int, dialect: Dialect
) -> Batch[Sequence[Claim]]:
    """Claim up to `most` tasks that are due, or have an expired lease, for `lease` microseconds."""
    pick = f"SELECT id FROM task WHERE name IN ({_placeholders(names)}) AND due <= ? ORDER BY due, id LIMIT ?"
    # On PostgreSQL, other processes may claim concurrently: locked rows are skipped instead of waiting for them, and
    # the array ensures that the inner query runs once.
    selected = f"id = ANY (ARRAY ({pick} FOR UPDATE SKIP LOCKED))" if dialect == "postgresql" else f"id IN ({pick})"
    rows = yield Statement(
        f"UPDATE task SET state = 'running', owner = ?, due = ?, attempts = attempts + 1 WHERE {selected} "
        "RETURNING id, name, args, attempts",
        (owner, now + lease, *names, now, most),
    )
    return [_claim(row, owner) for row in rows]


def prolong_lease(task: Claim, *, until: int) -> Statement:
    """Return the statement that renews the lease. Its guard raises LeaseLost."""
    return _of("UPDATE task SET due = ? ", (until,), task)


def finish_task(task: Claim, *, now: int) -> Statement:
    """Return the statement that marks a task as done. Its guard raises LeaseLost."""
    return _of("UPDATE task SET state = 'done', due = NULL, error = NULL, finished = ? ", (now,), task)


def retry_task(task: Claim, *, error: str, due: int) -> Statement:
    """Return the statement that schedules a retry. Its guard raises LeaseLost."""
    return _of("UPDATE task SET state = 'queued', error = ?, due = ? ", (error[:_ERROR_LENGTH], due), task)


def give_up(task: Claim, *, error: str, now: int) -> Statement:
    """Return the statement that makes a task a dead letter. Its guard raises LeaseLost."""
    sql = "UPDATE task SET state = 'dead', due = NULL, error = ?, finished = ? "
    return _of(sql, (error[:_ERROR_LENGTH], now), task)


def release_task(task: Claim, *, now: int) -> Statement:
    """Return the statement that releases an interrupted task at once. The attempt is not counted."""
    return _of("UPDATE task SET state = 'queued', due = ?, attempts = attempts - 1 ", (now,), task)


def wake(now: int) -> Statement:
    """Return the statement that makes tasks due whose delay exceeds the maximum: a wrong clock has set it."""
    return Statement(
        "UPDATE task SET due = ? WHERE due > CAST(? AS BIGINT) + CAST(? AS BIGINT)", (now, now, MAX_RETRY_DELAY + SKEW)
    )


def sweep(now: int) -> Statement:
    """Return the statement that deletes tasks done a day ago, and dead letters of a month ago."""
    condition = "finished <= ? AND (state = 'done' OR finished <= ?)"
    return bite("task", "id", condition, now - KEPT_DONE, now - KEPT_DEAD, order="finished")


def _of(sql: str, values: tuple[int | str, ...], task: Claim) -> Statement:
    return Statement(
        sql + "WHERE id = ? AND state = 'running' AND owner = ? AND attempts = ?",
        (*values, task.id, task.owner, task.attempt),
        guard=Guard(LeaseLost),
    )


def _claim(row: Row, owner: str) -> Claim:
    args = cast("Mapping[str, object]", decode(row["args"]))
    return Claim(row["id"], row["name"], args, owner, row["attempts"])


def _placeholders(names: Sequence[str]) -> str:
    return ", ".join("?" for _ in names)
