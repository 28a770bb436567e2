"""What the SQLite back end does when the disk or another process stands in the way at a given moment."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from ostiary.store.database import Batch, Conflict, Statement, StoreError, Unavailable, WrongStatement
from ostiary.store.sqlite import writer as module
from ostiary.store.sqlite.connection import connect
from ostiary.store.sqlite.database import SqliteDatabase, open_sqlite
from ostiary.store.sqlite.group_commit import QueuedBatch, commit
from ostiary.store.sqlite.writer import CHECKPOINT_GROUPS, Log, Writer
from ostiary.store.workspace.commit import run


def empty(value: str = "done") -> Any:
    def batch() -> Batch[str]:
        yield from ()
        return value

    return batch


@pytest.fixture
async def database(tmp_path: Path) -> Any:
    opened = await open_sqlite(tmp_path / "x.db")
    yield opened
    await opened.close()


async def submitted(writer: Writer, batch: Any) -> str:
    job = QueuedBatch(batch, asyncio.get_running_loop())
    writer.submit([job])
    return str(await asyncio.wait_for(job.future, 5))


async def test_the_thread_goes_on_after_a_failure_that_nobody_expected(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise MemoryError("no more")

    writer = database._writer
    monkeypatch.setattr(module, "commit", broken)
    with pytest.raises(Unavailable, match="the writer failed: MemoryError"):
        await submitted(writer, empty())
    monkeypatch.undo()
    assert await submitted(writer, empty()) == "done"


async def test_a_log_that_was_removed_is_told_to_whoever_wrote(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def removed(_log: Log) -> None:
        raise FileNotFoundError(2, "the log was removed")

    monkeypatch.setattr(Log, "require_present", removed)
    with pytest.raises(Unavailable, match="the disk does not confirm"):
        await submitted(database._writer, empty())


async def test_a_log_that_cannot_be_folded_is_folded_later(database: Any, caplog: pytest.LogCaptureFixture) -> None:
    writer = database._writer

    class Refusing:
        in_transaction = False

        def execute(self, _sql: str) -> Any:
            raise sqlite3.OperationalError("no")

    real, writer._connection = writer._connection, Refusing()
    try:
        writer._since_checkpoint = 1
        writer._checkpoint()
    finally:
        writer._connection = real
    assert 1 <= writer._checkpoint_at <= CHECKPOINT_GROUPS
    assert writer.is_idle
    assert "could not be written back to the database: no" in caplog.text


async def test_what_comes_while_the_disk_is_asked_shares_the_next_group(database: Any) -> None:
    first = asyncio.create_task(database.write(empty("a")))
    await asyncio.sleep(0)
    second = asyncio.create_task(database.write(empty("b")))
    database._unconfirmed = True  # as it is until the disk has answered
    for _ in range(3):
        await asyncio.sleep(0)
    database._unconfirmed = False
    database._write_queued()
    assert list(await asyncio.gather(first, second)) == ["a", "b"]
    database._write_queued()  # nothing is queued: nothing happens


def test_a_constraint_that_fails_at_the_end_belongs_to_the_batch_that_broke_it(tmp_path: Path) -> None:
    connection = connect(tmp_path / "x.db", lock_timeout=1.0, read_only=False)
    connection.execute("CREATE TABLE parent (pk INTEGER PRIMARY KEY)")
    connection.execute(
        "CREATE TABLE child (pk INTEGER REFERENCES parent (pk) DEFERRABLE INITIALLY DEFERRED, name TEXT UNIQUE)"
    )
    loop = asyncio.new_event_loop()

    def insert(pk: int | None, name: str) -> Any:
        def batch() -> Batch[str]:
            yield Statement("SELECT 1")  # so that it is no plain insert
            yield Statement("INSERT INTO child (pk, name) VALUES (?, ?)", (pk, name))
            return name

        return batch

    for batches, outcomes in (
        ([insert(None, "a"), insert(7, "b"), insert(None, "c")], ["a", StoreError, "c"]),
        ([insert(7, "d")], [StoreError]),
    ):
        jobs = [QueuedBatch(one, loop) for one in batches]
        commit(connection, jobs)
        assert [StoreError if isinstance(job.error, StoreError) else job.error or job.value for job in jobs] == outcomes
    assert [row[0] for row in connection.execute("SELECT name FROM child ORDER BY name")] == ["a", "c"]
    loop.close()
    connection.close()


async def test_a_closed_database_says_so(tmp_path: Path) -> None:
    opened = await open_sqlite(tmp_path / "x.db")
    assert isinstance(opened, SqliteDatabase)
    await submitted(opened._writer, lambda: run([Statement("CREATE TABLE x (a INTEGER)")]))
    pending = asyncio.create_task(opened.write(empty()))
    await asyncio.sleep(0)
    await opened.close()
    assert await pending == "done", "what is queued is finished"
    for work in (opened.fetch("SELECT 1"), opened.read(empty()), opened.write(empty())):
        with pytest.raises(Unavailable, match="closed"):
            await work


def test_errors_of_the_store_are_told_apart() -> None:
    assert not issubclass(Conflict, Unavailable)
    assert issubclass(WrongStatement, StoreError)


async def test_a_batch_that_is_queued_when_the_database_closes_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*arguments: Any) -> None:
        time.sleep(0.3)  # meanwhile everything else is closed
        commit(*arguments)

    monkeypatch.setattr(module, "commit", late)
    database = await open_sqlite(tmp_path / "x.db")
    await database.write(lambda: run([Statement("CREATE TABLE t (name TEXT)")]))  # by the loop's connection
    last = asyncio.create_task(database.write(lambda: run([Statement("INSERT INTO t VALUES ('last')")])))
    await asyncio.sleep(0)  # queued, and left to the thread, which has written nothing yet
    await database.close()
    await last
    assert not (tmp_path / "x.db-wal").exists(), "the log is folded into the file"
    again = await open_sqlite(tmp_path / "x.db")
    rows = await again.fetch("SELECT name FROM t")
    await again.close()
    assert [row["name"] for row in rows] == ["last"]
