"""What an operator sees of the queue: its tasks with their last errors, and the way back for a dead letter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, cast

from ostiary.record import dataclass
from ostiary.resource.codec import decode
from ostiary.store.database import Batch, Database, Row, Statement, fetch_one

STATES: Final = ("queued", "running", "dead", "done")
_PAGE: Final = 200
_COLUMNS: Final = "id, name, args, key, state, created, due, attempts, error, finished"


@dataclass(frozen=True, slots=True)
class QueuedTask:
    """One task. Times are microseconds UTC.

    `due` is the next try while the task is queued, the end of the worker's lease while it runs, and None afterwards.
    `finished` is when it was done or given up; `error` is that of the last try that failed.
    """

    id: str
    name: str
    args: Mapping[str, object]
    key: str | None
    state: str
    created: int
    due: int | None
    attempts: int
    error: str | None
    finished: int | None


class TaskList:
    """The tasks of all processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def search(self, states: Sequence[str], name: str | None = None) -> AsyncIterator[QueuedTask]:
        """Yield the tasks in some of `STATES`, the oldest first, of one name or of all."""
        after = (0, "")
        sql = (
            f"SELECT {_COLUMNS} FROM task WHERE state IN ({', '.join('?' for _ in states)}) "
            f"{'AND name = ? ' if name else ''}"
            "AND (created > ? OR (created = ? AND id > ?)) ORDER BY created, id LIMIT ?"
        )
        while True:
            values = (*states, *((name,) if name else ()), after[0], *after, _PAGE)
            rows = await self._database.fetch(sql, *values)
            for row in rows:
                yield _task(row)
            if len(rows) < _PAGE:
                return
            after = (rows[-1]["created"], rows[-1]["id"])

    async def get(self, number: str) -> QueuedTask | None:
        """Return one task, or None."""
        row = await fetch_one(self._database, f"SELECT {_COLUMNS} FROM task WHERE id = ?", number)
        return None if row is None else _task(row)

    async def retry(self, number: str, *, now: int) -> bool:
        """Queue a dead letter again, with all its attempts. False when there is none of that number.

        Its last error stays until a try succeeds. Raises Unavailable.
        """

        def batch() -> Batch[int]:
            result = yield Statement(
                "UPDATE task SET state = 'queued', due = ?, owner = NULL, attempts = 0, finished = NULL "
                "WHERE id = ? AND state = 'dead'",
                (now, number),
            )
            return result.count

        return await self._database.write(batch) > 0


def _task(row: Row) -> QueuedTask:
    return QueuedTask(
        id=row["id"],
        name=row["name"],
        args=cast("Mapping[str, object]", decode(row["args"])),
        key=row["key"],
        state=row["state"],
        created=row["created"],
        due=row["due"],
        attempts=row["attempts"],
        error=row["error"],
        finished=row["finished"],
    )
