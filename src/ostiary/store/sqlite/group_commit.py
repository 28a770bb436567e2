"""Group commit: many batches in one transaction on one SQLite connection, each with an outcome of its own.

Two connections commit groups, never at the same time: the event loop's, for what is short, and the writer thread's,
for what is long or has to wait for another process. When a batch of a group fails, which is rare, the group is rolled
back and run again with a savepoint around each batch, so that the failure reaches only its own caller.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

from ostiary.store.database import Batch
from ostiary.store.inserts import Inserts, by_text, inserts, several
from ostiary.store.sqlite.connection import drive, is_busy, leave, meaning

ROWS: Final = (64, 32, 16, 8, 4, 2, 1)  # of one statement: few texts, so that they stay prepared
GROUP: Final = 256  # batches in one transaction at most, so that the first of them does not wait for ever


class Job:
    """One batch on its way to the disk."""

    __slots__ = ("error", "factory", "future", "loop", "value")

    def __init__(self, factory: Callable[[], Batch[Any]], loop: asyncio.AbstractEventLoop) -> None:
        self.factory = factory
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.value: Any = None
        self.error: Exception | None = None

    def settle(self) -> None:
        """Answer the caller, unless it has gone. Runs in the caller's loop."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.value)


def settle(jobs: Sequence[Job]) -> None:
    """Answer each caller of a group in its own loop. Runs in any thread; one wake-up for each loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        by_loop.setdefault(job.loop, []).append(job)
    for loop, group in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle_all, group)
        except RuntimeError:
            continue  # the loop is closed: nobody waits


def together(
    connection: sqlite3.Connection,
    jobs: Sequence[Job],
    *,
    before: Callable[[str], None] | None = None,
    last: Callable[[], None] | None = None,
) -> None:
    """Run a group without savepoints and commit it: two statements less for every batch.

    `before` sees each text of the batches, `last` is told that they are over and only COMMIT follows.
    Raises what a batch or `before` raises or sqlite3.Error; the transaction is then to be left, and no job has an
    outcome.
    """
    connection.execute("BEGIN IMMEDIATE")  # waits for other processes inside the busy timeout
    for job in _insert(connection, jobs, before):
        job.value = drive(connection, job.factory, before=before)
    if last is not None:
        last()
    connection.execute("COMMIT")


def commit(connection: sqlite3.Connection, jobs: Sequence[Job]) -> None:
    """Run a group; each job then has its value or its error. Never raises."""
    try:
        together(connection, jobs)
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to a caller
        leave(connection)
        if len(jobs) == 1:
            jobs[0].error = meaning(error) if isinstance(error, sqlite3.Error) else error
        elif isinstance(error, sqlite3.Error) and is_busy(error):  # waiting once more would be as long again
            for job in jobs:
                job.error = meaning(error)
        else:
            _apart(connection, jobs)


def _insert(connection: sqlite3.Connection, jobs: Sequence[Job], before: Callable[[str], None] | None) -> Sequence[Job]:
    """Write what batches that only insert have, many rows in one statement; return the other batches."""
    if len(jobs) == 1:
        return jobs
    others: list[Job] = []
    plain: list[Inserts] = []
    for job in jobs:
        found = inserts(job.factory)
        if found is None:
            others.append(job)
        else:
            job.value = found.value
            plain.append(found)
    for sql, rows in by_text(plain).items():
        if before is not None:
            before(sql)
        start = 0
        while start < len(rows):
            size = next(size for size in ROWS if size <= len(rows) - start)
            part = [value for row in rows[start : start + size] for value in row]
            connection.execute(several(sql, size), part)
            start += size
    return others


def _apart(connection: sqlite3.Connection, jobs: Sequence[Job]) -> None:
    """Run the group with each batch in a savepoint of its own."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        for job in jobs:
            _attempt(connection, job)
        connection.execute("COMMIT")
    except sqlite3.IntegrityError as error:
        # A deferred constraint fails only at COMMIT: find whose it is by replaying alone.
        leave(connection)
        if len(jobs) == 1:
            jobs[0].error = meaning(error)
            return
        for job in jobs:
            job.error = None
            commit(connection, (job,))
    except sqlite3.Error as error:
        leave(connection)
        for job in jobs:
            job.error = meaning(error)


def _attempt(connection: sqlite3.Connection, job: Job) -> None:
    connection.execute("SAVEPOINT batch")
    try:
        job.value = drive(connection, job.factory)
    except Exception as error:
        if not connection.in_transaction:
            # The disk is full or broken, and SQLite has rolled back the neighbours as well.
            lost = sqlite3.OperationalError(f"the transaction was lost: {error}")
            lost.sqlite_errorcode = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_IOERR)
            raise lost from error
        connection.execute("ROLLBACK TO batch")
        job.error = meaning(error) if isinstance(error, sqlite3.Error) else error
    connection.execute("RELEASE batch")


def _settle_all(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.settle()
