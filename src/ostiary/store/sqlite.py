"""The SQLite back end: one file, one writer thread with group commit, readers that do not wait for it.

Reads run at once on the event loop's own connection: a row by key costs about 7 microseconds there and 60 across
threads. A read that takes longer than a slice of time is interrupted and run again in a reader thread, so that a
search never holds up the loop.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from ostiary.store.database import Batch, Database, Dialect, Fault, Row, StoreError, Unavailable, Value
from ostiary.store.sqlite_connection import connect, drive, fetch, is_busy, leave, meaning, one
from ostiary.store.sqlite_writer import Job, Writer

T = TypeVar("T")

PATIENCE: Final = 10.0  # seconds to wait for another process's lock
SLICE: Final = 0.002  # seconds a read may hold the event loop
STEPS: Final = 2_000  # SQLite instructions between two looks at the clock: some tens of microseconds
READERS: Final = 2  # threads for long reads


class SqliteDatabase:
    """A `Database` over one file. Made by `open_sqlite`; to be used from one event loop."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = Writer(connect(path, patience=PATIENCE, read_only=False))
        self._inline = connect(path, patience=0, read_only=True)
        self._inline.set_progress_handler(self._is_over, STEPS)
        self._deadline = 0.0
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="ostiary-sqlite-reader")
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._queued: list[Job] = []
        self._closed = False

    async def fetch(self, sql: str, *parameters: Value) -> Sequence[Row]:
        """Run one reading statement. Raises Unavailable."""
        if self._closed:
            raise Unavailable("the database is closed")
        self._deadline = time.perf_counter() + SLICE
        try:
            return fetch(self._inline, sql, parameters)
        except sqlite3.Error as error:
            if not _is_for_a_thread(error):
                raise _reading(error) from error
        return (await self._elsewhere(one(sql, parameters), snapshot=False)).rows

    async def read(self, batch: Callable[[], Batch[T]]) -> T:
        """Run a batch of reads that all see the same state. Raises Unavailable."""
        if self._closed:
            raise Unavailable("the database is closed")
        self._deadline = time.perf_counter() + SLICE
        try:
            return _read(self._inline, batch, snapshot=True)
        except sqlite3.Error as error:
            if not _is_for_a_thread(error):
                raise _reading(error) from error
        return await self._elsewhere(batch, snapshot=True)

    async def write(self, batch: Callable[[], Batch[T]]) -> T:
        """Run a batch of guarded writes; returns after COMMIT. Raises Conflict, Duplicate, Unavailable.

        A caller that is cancelled while it waits does not know whether the batch was written.
        """
        if self._closed:
            raise Unavailable("the database is closed")
        loop = asyncio.get_running_loop()
        job = Job(batch, loop)
        if not self._queued:
            loop.call_soon(self._hand_over)
        self._queued.append(job)
        value: T = await job.future
        return value

    async def close(self) -> None:
        """Finish what is queued and close."""
        if self._closed:
            return
        self._closed = True
        self._hand_over()
        await asyncio.to_thread(self._end)

    def _hand_over(self) -> None:
        """Give the writer what was asked for in this turn of the loop: waking it is what costs."""
        if self._queued:
            queued, self._queued = self._queued, []
            self._writer.submit(queued)

    async def _elsewhere(self, batch: Callable[[], Batch[T]], *, snapshot: bool) -> T:
        work = partial(self._read_in_thread, batch, snapshot=snapshot)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _read_in_thread(self, batch: Callable[[], Batch[T]], *, snapshot: bool) -> T:
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = connect(self._path, patience=PATIENCE, read_only=True)
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


async def open_sqlite(path: Path) -> Database:
    """Open the database file, making it when it is missing. Raises Unavailable."""
    return await asyncio.to_thread(SqliteDatabase, path)


def _is_for_a_thread(error: sqlite3.Error) -> bool:
    """Say whether the read only took too long, or met a lock that is worth waiting for elsewhere."""
    return is_busy(error) or getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT


def _reading(error: sqlite3.Error) -> StoreError:
    # A reader may not write; to the writer the same code says that the file cannot be written.
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY:
        return Fault("a reading statement tried to write")
    return meaning(error)


def _read(connection: sqlite3.Connection, batch: Callable[[], Batch[T]], *, snapshot: bool) -> T:
    if not snapshot:
        return drive(connection, batch)
    connection.execute("BEGIN")
    try:
        return drive(connection, batch)
    finally:
        leave(connection)
