"""The operator's view of the queue: its tasks with their last errors, and the retry of dead letters."""

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
    """A task of the queue. Times are in microseconds UTC.

    `due` is the next attempt of a queued task, the end of a running task's lease, and None afterwards. `finished` is
    the time of success or of the last failed attempt. `error` is that of the last failed attempt.
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
        """Yield the tasks in any of `states`, oldest first, optionally with one name."""
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
        """Return a task, or None."""
        row = await fetch_one(self._database, f"SELECT {_COLUMNS} FROM task WHERE id = ?", number)
        return None if row is None else _task(row)

    async def retry(self, number: str, *, now: int) -> bool:
        """Queue a dead letter again, with all its attempts. Returns False if there is none with that id.

        Its last error stays until an attempt succeeds. Raises Unavailable.
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
