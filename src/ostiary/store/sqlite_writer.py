"""The one thread that writes to an SQLite file, and its group commit.

It takes everything that is queued, begins, runs each batch, commits once, and only then answers. Full durability
costs one fsync per group, not per batch. When a batch of a group fails, which is rare, the group is rolled back and run
again with a savepoint around each batch, so that the failure reaches only its own caller.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from ostiary.store.database import Batch
from ostiary.store.inserts import Inserts, by_text, inserts, several
from ostiary.store.sqlite_connection import drive, leave, meaning

ROWS: Final = (64, 32, 16, 8, 4, 2, 1)  # of one statement: few texts, so that they stay prepared
GROUP: Final = 256  # batches in one transaction at most, so that the first of them does not wait for ever


class Job:
    """One batch on its way through the writer."""

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


class Writer:
    """The writer thread. It owns the connection from its start to its end."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._queue: queue.SimpleQueue[Sequence[Job] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ostiary-sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue batches; the `future` of each is answered after the commit."""
        self._queue.put(jobs)

    def stop(self) -> None:
        """Finish what is queued, close the connection and end the thread. Blocks."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        going = True
        while going:
            jobs, going = self._take()
            for start in range(0, len(jobs), GROUP):
                group = jobs[start : start + GROUP]
                self._commit(group)
                _answer(group)
        self._connection.close()

    def _take(self) -> tuple[list[Job], bool]:
        taken: list[Job] = []
        queued = self._queue.get()
        while queued is not None:
            taken.extend(queued)
            if len(taken) >= GROUP:
                return taken, True
            try:
                queued = self._queue.get_nowait()
            except queue.Empty:
                return taken, True
        return taken, False

    def _commit(self, jobs: Sequence[Job]) -> None:
        """Run the group without savepoints: two statements less for every batch."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")  # waits for other processes inside the busy timeout
            for job in self._insert(jobs) if len(jobs) > 1 else jobs:
                job.value = drive(connection, job.factory)
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to a caller
            leave(connection)
            if len(jobs) == 1:
                jobs[0].error = meaning(error) if isinstance(error, sqlite3.Error) else error
            else:
                self._commit_apart(jobs)

    def _insert(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Write what batches that only insert have, many rows in one statement; return the other batches.

        Each statement gives up Python's lock and has to get it back from the event loop: that is what is saved.
        """
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
            start = 0
            while start < len(rows):
                size = next(size for size in ROWS if size <= len(rows) - start)
                part = [value for row in rows[start : start + size] for value in row]
                self._connection.execute(several(sql, size), part)
                start += size
        return others

    def _commit_apart(self, jobs: Sequence[Job]) -> None:
        """Run the group with each batch in a savepoint of its own."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")  # waits for other processes inside the busy timeout
            for job in jobs:
                self._attempt(job)
            self._connection.execute("COMMIT")
        except sqlite3.IntegrityError as error:
            # A deferred constraint fails only at COMMIT: find whose it is by replaying alone.
            leave(self._connection)
            if len(jobs) == 1:
                jobs[0].error = meaning(error)
                return
            for job in jobs:
                job.error = None
                self._commit((job,))
        except sqlite3.Error as error:
            leave(self._connection)
            for job in jobs:
                job.error = meaning(error)

    def _attempt(self, job: Job) -> None:
        self._connection.execute("SAVEPOINT batch")
        try:
            job.value = drive(self._connection, job.factory)
        except Exception as error:
            if not self._connection.in_transaction:
                # The disk is full or broken, and SQLite has rolled back the neighbours as well.
                raise sqlite3.OperationalError(f"the transaction was lost: {error}") from error
            self._connection.execute("ROLLBACK TO batch")
            job.error = meaning(error) if isinstance(error, sqlite3.Error) else error
        self._connection.execute("RELEASE batch")


def _answer(jobs: Sequence[Job]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        by_loop.setdefault(job.loop, []).append(job)
    for loop, group in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, group)  # one wake-up for the whole group
        except RuntimeError:
            continue  # the loop is closed: nobody waits


def _settle(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.settle()
