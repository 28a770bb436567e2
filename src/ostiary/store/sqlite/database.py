"""The SQLite back end: one file, group commit, readers that do not wait for writers.

Short work runs on the event loop's own connection: a row by key takes about 7 microseconds there, and 60 in a thread.
The writes of one turn of the loop are one transaction; a thread syncs it to disk, and only then are callers answered.
Work that exceeds its slice of time, or waits for another process, is interrupted, rolled back and repeated in a thread,
so that no search or large change blocks the loop.
"""

from __future__ import annotations

import asyncio
import functools
import math
import queue
import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from ostiary.store.activity import Activity
from ostiary.store.database import (
    Batch,
    Database,
    Dialect,
    Reason,
    Row,
    StoreError,
    Unavailable,
    Value,
    Watch,
    WrongStatement,
)
from ostiary.store.sqlite.connection import connect, fetch, is_busy, rollback, run_batch, single, translate_error
from ostiary.store.sqlite.group_commit import GROUP, QueuedBatch, commit_group
from ostiary.store.sqlite.watch import WatchList
from ostiary.store.sqlite.writer import Log, Writer
from ostiary.store.timeouts import with_timeout

T = TypeVar("T")

LOCK_TIMEOUT: Final = 10.0  # seconds to wait for another process's lock
REQUEST_LOCK_TIMEOUT: Final = 4.0  # the same for servers, whose requests end after five
SLICE: Final = 0.002  # seconds of the event loop for a read, or for the writes of a turn
PROGRESS_STEPS: Final = 2_000  # SQLite instructions between two checks of the deadline: some tens of microseconds
READERS: Final = 2  # threads for long reads
NEVER: Final = math.inf  # the deadline while a transaction begins or ends: interrupted there, it would stay open

# The thread syncs and checkpoints; commits of the loop do neither.
_LOOP: Final = ("PRAGMA synchronous = NORMAL", "PRAGMA wal_autocheckpoint = 0")
_READING: Final = re.compile(
    r"\s*(?:SELECT|WITH)\b(?!.*\b(?:INSERT|UPDATE|DELETE|REPLACE)\b)", re.IGNORECASE | re.DOTALL
)


class _NotInline(Exception):
    """The work takes too long for the loop, or may not use its connection."""


class SqliteDatabase:
    """A `Database` over one file. Created by `open_sqlite`; used from one event loop, other loops may write."""

    dialect: Dialect = "sqlite"
    schema = ""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop, lock_timeout: float = LOCK_TIMEOUT) -> None:
        self.activity = Activity()
        self._path = path
        self._loop = loop
        self._patience = lock_timeout
        writing = connect(path, lock_timeout=lock_timeout, read_only=False)
        self._connection = connect(path, lock_timeout=0, read_only=False)
        for pragma in _LOOP:
            self._connection.execute(pragma)
        self._writer = Writer(writing, Log(path))
        self._connection.set_progress_handler(self._deadline_passed, PROGRESS_STEPS)
        self._deadline = 0.0  # of the statement that runs
        self._batch_deadline = 0.0  # of the batches, as soon as their transaction has begun
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="ostiary-sqlite-reader")
        self._idle_readers: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._queued: list[QueuedBatch] = []
        self._unconfirmed = False  # the disk has not confirmed the last group of the loop
        self._texts: set[str] = set()  # of the group that is being written
        self._watched = WatchList(self._connection)
        self._closed = False

    async def fetch(self, sql: str, *parameters: Value) -> Sequence[Row]:
        """Run one reading statement. Raises Unavailable."""
        if self._closed:
            raise Unavailable("the database is closed")
        self._deadline = time.perf_counter() + SLICE
        if _only_reads(sql):
            try:
                return fetch(self._connection, sql, parameters)
            except sqlite3.Error as error:
                if not _needs_thread(error):
                    raise self._failed(error) from error
        with self.activity.reading():
            return (await with_timeout(self._run_in_thread(single(sql, parameters), snapshot=False))).rows

    async def read(self, batch: Callable[[], Batch[T]]) -> T:
        """Run a batch of reads that all see the same state. Raises Unavailable."""
        if self._closed:
            raise Unavailable("the database is closed")
        self._arm()
        try:
            return _read(self._connection, batch, snapshot=True, before=self._before_reading, last=self._disarm)
        except sqlite3.Error as error:
            if not _needs_thread(error):
                raise self._failed(error) from error
        except _NotInline:
            pass
        with self.activity.reading():
            return await with_timeout(self._run_in_thread(batch, snapshot=True))

    async def write(self, batch: Callable[[], Batch[T]]) -> T:
        """Run a batch of guarded writes; returns after COMMIT. Raises Conflict, Duplicate, Unavailable.

        A caller that is cancelled while it waits does not know whether the batch was written.
        """
        if self._closed:
            raise Unavailable("the database is closed")
        loop = asyncio.get_running_loop()
        job = QueuedBatch(batch, loop)
        if loop is not self._loop:
            self._writer.submit([job])
        else:
            if not self._queued and not self._unconfirmed:
                loop.call_soon(self._write_queued)
            self._queued.append(job)
        with self.activity.writing():
            value: T = await self._answer(job)
        return value

    async def _answer(self, job: QueuedBatch) -> Any:
        """Return what a batch returned, as soon as it is durable."""
        try:
            return await with_timeout(job.future)
        except Unavailable as error:
            if error.reason is Reason.TIMEOUT and self._writer.is_waiting:
                raise Unavailable(f"another process holds its lock: {error}", Reason.LOCKED) from error
            raise

    def _failed(self, error: sqlite3.Error) -> StoreError:
        """Return our error for one of a read on the event loop, counted."""
        ours = _read_error(error)
        self.activity.failed(ours)
        return ours

    def watch(self, tables: str) -> Watch:
        """Return a watch over the tables whose names begin with `tables`. For the home loop only."""
        return self._watched.watch(tables)

    async def close(self) -> None:
        """Finish what is queued and close."""
        if self._closed:
            return
        self._closed = True
        if self._queued:
            self._writer.submit(self._queued)
            self._queued = []
        await asyncio.to_thread(self._shut_down)

    def _write_queued(self) -> None:
        """Write the batches of this turn of the loop: inline if they are short and the thread is idle."""
        queued, self._queued = self._queued, []
        if not queued:
            return
        if self._unconfirmed:  # one group at a time: later batches share the next one
            self._queued = queued
            return
        if not self._writer.is_idle or len(queued) > GROUP:
            self._writer.submit(queued)
            return
        self._arm()
        self._texts.clear()
        try:
            commit_group(self._connection, queued, before=self._before, last=self._disarm)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to a caller
            self._disarm()
            rollback(self._connection)
            if len(queued) == 1 and not isinstance(error, sqlite3.Error | _NotInline):
                queued[0].error = error
                queued[0].settle()
            else:
                self._writer.submit(queued)
        else:
            self._watched.changed(self._texts)
            self._unconfirmed = True
            self._writer.confirm(queued, self._confirmed)

    def _confirmed(self, jobs: Sequence[QueuedBatch]) -> None:
        """Answer the callers of synced batches. Runs in the loop, called by the writer's thread."""
        self._unconfirmed = False
        for job in jobs:
            job.settle()
        if self._queued:
            self._loop.call_soon(self._write_queued)

    def _arm(self) -> None:
        self._deadline, self._batch_deadline = NEVER, time.perf_counter() + SLICE

    def _before(self, sql: str) -> None:
        if time.perf_counter() > self._batch_deadline:
            raise _NotInline
        self._deadline = self._batch_deadline
        self._texts.add(sql)

    def _before_reading(self, sql: str) -> None:
        if not _only_reads(sql):
            raise _NotInline
        self._deadline = self._batch_deadline

    def _disarm(self) -> None:
        self._deadline = NEVER

    async def _run_in_thread(self, batch: Callable[[], Batch[T]], *, snapshot: bool) -> T:
        work = partial(self._read_in_thread, batch, snapshot=snapshot)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _read_in_thread(self, batch: Callable[[], Batch[T]], *, snapshot: bool) -> T:
        try:
            connection = self._idle_readers.get_nowait()
        except queue.Empty:
            connection = connect(self._path, lock_timeout=self._patience, read_only=True)
        try:
            return _read(connection, batch, snapshot=snapshot)
        except sqlite3.Error as error:
            raise _read_error(error) from error
        finally:
            self._idle_readers.put(connection)

    def _deadline_passed(self) -> int:
        return time.perf_counter() > self._deadline

    def _shut_down(self) -> None:
        self._threads.shutdown()
        while not self._idle_readers.empty():
            self._idle_readers.get_nowait().close()
        self._writer.finish()
        # Not earlier: SQLite removes the log with the last connection that has used it, and the thread's may not have.
        self._connection.close()
        self._writer.close()  # the last connection: SQLite folds the log into the file


async def open_sqlite(path: Path, *, lock_timeout: float = LOCK_TIMEOUT) -> Database:
    """Open or create the database file. `lock_timeout` is the wait for another process's lock, in seconds.

    Raises Unavailable.
    """
    return await asyncio.to_thread(SqliteDatabase, path, asyncio.get_running_loop(), lock_timeout)


@functools.lru_cache(maxsize=2048)
def _only_reads(sql: str) -> bool:
    """Return whether a statement only reads, for certain. Others run on a read-only connection."""
    return _READING.match(sql) is not None


def _needs_thread(error: sqlite3.Error) -> bool:
    """Return whether a read was interrupted, or must wait for a lock."""
    return is_busy(error) or getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT


def _read_error(error: sqlite3.Error) -> StoreError:
    # A reader may not write; to the writer the same code says that the file cannot be written.
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY:
        return WrongStatement("a reading statement tried to write")
    return translate_error(error)


def _read(
    connection: sqlite3.Connection,
    batch: Callable[[], Batch[T]],
    *,
    snapshot: bool,
    before: Callable[[str], None] | None = None,
    last: Callable[[], None] | None = None,
) -> T:
    if not snapshot:
        return run_batch(connection, batch)
    try:
        connection.execute("BEGIN")
        return run_batch(connection, batch, before=before)
    finally:
        if last is not None:
            last()
        rollback(connection)
