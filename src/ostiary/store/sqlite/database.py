"""The SQLite back end: one file, group commit, readers that do not wait for writers.

What is short runs at once on the event loop's own connection: a row by key costs about 7 microseconds there and 60
across threads. All that is written in one turn of the loop is one transaction; a thread waits for the disk, and only
then are the callers answered. What takes longer than a slice of time is interrupted, rolled back, and run again in a
thread, and so is what has to wait for another process: a search or a large change never holds up the loop.
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
from typing import Final, TypeVar

from ostiary.store.database import Batch, Database, Dialect, Fault, Reason, Row, StoreError, Unavailable, Value, Watch
from ostiary.store.patience import within
from ostiary.store.sqlite.connection import connect, drive, fetch, is_busy, leave, meaning, one
from ostiary.store.sqlite.group_commit import GROUP, Job, together
from ostiary.store.sqlite.watch import Watched
from ostiary.store.sqlite.writer import Log, Writer

T = TypeVar("T")

PATIENCE: Final = 10.0  # seconds to wait for another process's lock
HURRIED: Final = 4.0  # the same where requests wait, which are answered after five
SLICE: Final = 0.002  # seconds a read, or all that is written in a turn, may hold the event loop
STEPS: Final = 2_000  # SQLite instructions between two looks at the clock: some tens of microseconds
READERS: Final = 2  # threads for long reads
NEVER: Final = math.inf  # the deadline while a transaction begins or ends: interrupted there, it would stay open

# The thread asks the disk, and folds the log into the file; a commit of the loop's does neither.
_LOOP: Final = ("PRAGMA synchronous = NORMAL", "PRAGMA wal_autocheckpoint = 0")
_READING: Final = re.compile(
    r"\s*(?:SELECT|WITH)\b(?!.*\b(?:INSERT|UPDATE|DELETE|REPLACE)\b)", re.IGNORECASE | re.DOTALL
)


class _Elsewhere(Exception):
    """This takes too long for the loop, or is not for its connection."""


class SqliteDatabase:
    """A `Database` over one file. Made by `open_sqlite`; to be used from one event loop, other loops may write."""

    dialect: Dialect = "sqlite"
    schema = ""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop, patience: float = PATIENCE) -> None:
        self._path = path
        self._home = loop
        self._patience = patience
        writing = connect(path, patience=patience, read_only=False)
        self._inline = connect(path, patience=0, read_only=False)
        for pragma in _LOOP:
            self._inline.execute(pragma)
        self._writer = Writer(writing, Log(path))
        self._inline.set_progress_handler(self._is_over, STEPS)
        self._deadline = 0.0  # of the statement that runs
        self._ends = 0.0  # of the batches, as soon as their transaction has begun
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="ostiary-sqlite-reader")
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._queued: list[Job] = []
        self._unconfirmed = False  # the disk has not confirmed the last group of the loop
        self._texts: set[str] = set()  # of the group that is being written
        self._watched = Watched(self._inline)
        self._closed = False

    async def fetch(self, sql: str, *parameters: Value) -> Sequence[Row]:
        """Run one reading statement. Raises Unavailable."""
        if self._closed:
            raise Unavailable("the database is closed")
        self._deadline = time.perf_counter() + SLICE
        if _reads(sql):
            try:
                return fetch(self._inline, sql, parameters)
            except sqlite3.Error as error:
                if not _is_for_a_thread(error):
                    raise _reading(error) from error
        return (await within(self._elsewhere(one(sql, parameters), snapshot=False))).rows

    async def read(self, batch: Callable[[], Batch[T]]) -> T:
        """Run a batch of reads that all see the same state. Raises Unavailable."""
        if self._closed:
            raise Unavailable("the database is closed")
        self._begin()
        try:
            return _read(self._inline, batch, snapshot=True, before=self._before_reading, last=self._no_more)
        except sqlite3.Error as error:
            if not _is_for_a_thread(error):
                raise _reading(error) from error
        except _Elsewhere:
            pass
        return await within(self._elsewhere(batch, snapshot=True))

    async def write(self, batch: Callable[[], Batch[T]]) -> T:
        """Run a batch of guarded writes; returns after COMMIT. Raises Conflict, Duplicate, Unavailable.

        A caller that is cancelled while it waits does not know whether the batch was written.
        """
        if self._closed:
            raise Unavailable("the database is closed")
        loop = asyncio.get_running_loop()
        job = Job(batch, loop)
        if loop is not self._home:
            self._writer.submit([job])
        else:
            if not self._queued and not self._unconfirmed:
                loop.call_soon(self._write_queued)
            self._queued.append(job)
        try:
            value: T = await within(job.future)
        except Unavailable as error:
            if error.reason is Reason.TIMEOUT and self._writer.waits:
                raise Unavailable(f"another process holds its lock: {error}", Reason.LOCKED) from error
            raise
        return value

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
        await asyncio.to_thread(self._end)

    def _write_queued(self) -> None:
        """Write what was asked for in this turn of the loop, here if it is short and nobody else is writing."""
        queued, self._queued = self._queued, []
        if not queued:
            return
        if self._unconfirmed:  # one group at a time: what comes meanwhile shares the next one
            self._queued = queued
            return
        if not self._writer.idle or len(queued) > GROUP:
            self._writer.submit(queued)
            return
        self._begin()
        self._texts.clear()
        try:
            together(self._inline, queued, before=self._before, last=self._no_more)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to a caller
            self._no_more()
            leave(self._inline)
            if len(queued) == 1 and not isinstance(error, sqlite3.Error | _Elsewhere):
                queued[0].error = error
                queued[0].settle()
            else:
                self._writer.submit(queued)
        else:
            self._watched.changed(self._texts)
            self._unconfirmed = True
            self._writer.confirm(queued, self._confirmed)

    def _confirmed(self, jobs: Sequence[Job]) -> None:
        """Answer what the disk has. Runs in the home loop, told by the writer's thread."""
        self._unconfirmed = False
        for job in jobs:
            job.settle()
        if self._queued:
            self._home.call_soon(self._write_queued)

    def _begin(self) -> None:
        self._deadline, self._ends = NEVER, time.perf_counter() + SLICE

    def _before(self, sql: str) -> None:
        if time.perf_counter() > self._ends:
            raise _Elsewhere
        self._deadline = self._ends
        self._texts.add(sql)

    def _before_reading(self, sql: str) -> None:
        if not _reads(sql):
            raise _Elsewhere
        self._deadline = self._ends

    def _no_more(self) -> None:
        self._deadline = NEVER

    async def _elsewhere(self, batch: Callable[[], Batch[T]], *, snapshot: bool) -> T:
        work = partial(self._read_in_thread, batch, snapshot=snapshot)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _read_in_thread(self, batch: Callable[[], Batch[T]], *, snapshot: bool) -> T:
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = connect(self._path, patience=self._patience, read_only=True)
        try:
            return _read(connection, batch, snapshot=snapshot)
        except sqlite3.Error as error:
            raise _reading(error) from error
        finally:
            self._idle.put(connection)

    def _is_over(self) -> int:
        return time.perf_counter() > self._deadline

    def _end(self) -> None:
        self._threads.shutdown()
        while not self._idle.empty():
            self._idle.get_nowait().close()
        self._inline.close()
        self._writer.stop()  # the last connection: SQLite folds the log into the file


async def open_sqlite(path: Path, *, patience: float = PATIENCE) -> Database:
    """Open the database file, making it when it is missing. `patience` is how long to wait for another's lock, seconds.

    Raises Unavailable.
    """
    return await asyncio.to_thread(SqliteDatabase, path, asyncio.get_running_loop(), patience)


@functools.lru_cache(maxsize=2048)
def _reads(sql: str) -> bool:
    """Tell whether a statement surely only reads. Others run where the connection itself refuses to write."""
    return _READING.match(sql) is not None


def _is_for_a_thread(error: sqlite3.Error) -> bool:
    """Say whether the read only took too long, or met a lock that is worth waiting for elsewhere."""
    return is_busy(error) or getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT


def _reading(error: sqlite3.Error) -> StoreError:
    # A reader may not write; to the writer the same code says that the file cannot be written.
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY:
        return Fault("a reading statement tried to write")
    return meaning(error)


def _read(
    connection: sqlite3.Connection,
    batch: Callable[[], Batch[T]],
    *,
    snapshot: bool,
    before: Callable[[str], None] | None = None,
    last: Callable[[], None] | None = None,
) -> T:
    if not snapshot:
        return drive(connection, batch)
    try:
        connection.execute("BEGIN")
        return drive(connection, batch, before=before)
    finally:
        if last is not None:
            last()
        leave(connection)
