"""Group commit: many batches in one transaction of an SQLite connection, each with its own result.

Two connections commit groups, never at the same time: the event loop's for short ones, the writer thread's for long
ones and those that wait for another process. When a batch fails, which is rare, the group is rolled back and repeated
with a savepoint around each batch, so that the failure reaches its own caller only.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

from ostiary.store.database import Batch
from ostiary.store.inserts import Inserts, by_text, inserts, multi_row
from ostiary.store.sqlite.connection import is_busy, rollback, run_batch, translate_error

ROWS: Final = (64, 32, 16, 8, 4, 2, 1)  # rows of one statement: few variants, so that they stay prepared
GROUP: Final = 256  # batches in one transaction at most, to bound the wait of the first


class QueuedBatch:
    """One batch and its result."""

    __slots__ = ("error", "factory", "future", "loop", "value")

    def __init__(self, factory: Callable[[], Batch[Any]], loop: asyncio.AbstractEventLoop) -> None:
        self.factory = factory
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.value: Any = None
        self.error: Exception | None = None

    def settle(self) -> None:
        """Answer the caller, unless it was cancelled. Runs in the caller's loop."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.value)


def settle(jobs: Sequence[QueuedBatch]) -> None:
    """Answer the callers of a group in their loops. Runs in any thread; wakes each loop once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[QueuedBatch]] = {}
    for job in jobs:
        by_loop.setdefault(job.loop, []).append(job)
    for loop, group in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle_all, group)
        except RuntimeError:
            continue  # the loop is closed: nobody waits


def commit_group(
    connection: sqlite3.Connection,
    jobs: Sequence[QueuedBatch],
    *,
    before: Callable[[str], None] | None = None,
    last: Callable[[], None] | None = None,
) -> None:
    """Run and commit a group without savepoints, which saves two statements for each batch.

    `before` gets the SQL of each statement, `last` is called before COMMIT. Raises errors of batches and of `before`,
    and sqlite3.Error; the caller must roll back then, and no job has a result.
    """
    connection.execute("BEGIN IMMEDIATE")  # waits for other processes inside the busy timeout
    for job in _insert(connection, jobs, before):
        job.value = run_batch(connection, job.factory, before=before)
    if last is not None:
        last()
    connection.execute("COMMIT")


def commit(connection: sqlite3.Connection, jobs: Sequence[QueuedBatch]) -> None:
    """Run a group. Each job gets its value or its error; nothing is raised."""
    try:
        commit_group(connection, jobs)
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to a caller
        rollback(connection)
        if len(jobs) == 1:
            jobs[0].error = translate_error(error) if isinstance(error, sqlite3.Error) else error
        elif isinstance(error, sqlite3.Error) and is_busy(error):  # waiting once more would be as long again
            for job in jobs:
                job.error = translate_error(error)
        else:
            _commit_with_savepoints(connection, jobs)


def _insert(
    connection: sqlite3.Connection, jobs: Sequence[QueuedBatch], before: Callable[[str], None] | None
) -> Sequence[QueuedBatch]:
    """Write the rows of insert-only batches, many in one statement; return the other batches."""
    if len(jobs) == 1:
        return jobs
    others: list[QueuedBatch] = []
    insert_only: list[Inserts] = []
    for job in jobs:
        job_inserts = inserts(job.factory)
        if job_inserts is None:
            others.append(job)
        else:
            job.value = job_inserts.value
            insert_only.append(job_inserts)
    for sql, rows in by_text(insert_only).items():
        if before is not None:
            before(sql)
        start = 0
        while start < len(rows):
            size = next(size for size in ROWS if size <= len(rows) - start)
            part = [value for row in rows[start : start + size] for value in row]
            connection.execute(multi_row(sql, size), part)
            start += size
    return others


def _commit_with_savepoints(connection: sqlite3.Connection, jobs: Sequence[QueuedBatch]) -> None:
    """Run the group with a savepoint around each batch."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        for job in jobs:
            _attempt(connection, job)
        connection.execute("COMMIT")
    except sqlite3.IntegrityError:
        # A deferred constraint fails only at COMMIT: find whose it is by replaying alone.
        rollback(connection)
        for job in jobs:
            job.error = None
            commit(connection, (job,))
    except sqlite3.Error as error:
        rollback(connection)
        for job in jobs:
            job.error = translate_error(error)


def _attempt(connection: sqlite3.Connection, job: QueuedBatch) -> None:
    connection.execute("SAVEPOINT batch")
    try:
        job.value = run_batch(connection, job.factory)
    except Exception as error:
        if not connection.in_transaction:
            # The disk is full or broken, and SQLite has rolled back the neighbours as well.
            lost = sqlite3.OperationalError(f"the transaction was lost: {error}")
            lost.sqlite_errorcode = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_IOERR)
            raise lost from error
        connection.execute("ROLLBACK TO batch")
        job.error = translate_error(error) if isinstance(error, sqlite3.Error) else error
    connection.execute("RELEASE batch")


def _settle_all(jobs: Sequence[QueuedBatch]) -> None:
    for job in jobs:
        job.settle()
