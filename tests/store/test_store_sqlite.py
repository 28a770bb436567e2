"""What belongs to the SQLite file: durability, other processes, a disk that fails."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from ostiary.store.database import Batch, Database, Statement, Unavailable, WrongStatement
from ostiary.store.sqlite import connection
from ostiary.store.sqlite.database import open_sqlite

HERE = Path(__file__).parent


def put(name: str, value: int = 1) -> Batch[None]:
    yield Statement("INSERT INTO counter (name, value) VALUES (?, ?)", (name, value))


def file_of(database: Database) -> Path:
    path: Path = database._path  # type: ignore[attr-defined]
    return path


def test_kill_nine_loses_nothing_that_was_acknowledged(sqlite_template: Path, tmp_path: Path) -> None:
    path = tmp_path / "ostiary.db"
    shutil.copy(sqlite_template, path)
    acknowledged: set[int] = set()
    for _ in range(3):
        command = [sys.executable, str(HERE / "store_crash_writer.py"), str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            told = [int(process.stdout.readline()) for _ in range(200)]
            process.send_signal(signal.SIGKILL)
            told += [int(line) for line in process.stdout.read().split(b"\n")[:-1]]
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            kept = [row[0] for row in connection.execute("SELECT value FROM counter")]
            connection.execute("DELETE FROM counter")
        connection.close()
        acknowledged = set(told)
        assert acknowledged <= set(kept)
        assert len(kept) == 2 * len(set(kept))  # each batch whole or not at all
    assert acknowledged


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However loaded the machine is, the loop writes the batch itself, and does not hand it to the thread."""
    monkeypatch.setattr("ostiary.store.sqlite.database.SLICE", 60.0)


@pytest.mark.usefixtures("patient")
async def test_settings_of_the_file(sqlite_database: Database) -> None:
    assert await sqlite_database.write(_pragmas) == ["wal", 1, 1]  # the thread asks the disk, see below
    elsewhere = asyncio.to_thread(asyncio.run, sqlite_database.write(_pragmas))
    assert await elsewhere == ["wal", 2, 1]


@pytest.mark.usefixtures("patient")
async def test_nobody_is_answered_before_the_disk(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()
    may_end = threading.Event()

    def slow_disk(_file: int) -> None:
        asked.set()
        assert may_end.wait(60)

    monkeypatch.setattr("os.fdatasync", slow_disk)
    writing = asyncio.create_task(sqlite_database.write(partial(put, "a")))
    await asyncio.to_thread(asked.wait, 60)
    await asyncio.sleep(0.05)
    assert not writing.done()
    assert len(await sqlite_database.fetch("SELECT name FROM counter")) == 1  # the others need not wait
    may_end.set()
    await writing


@pytest.mark.usefixtures("patient")
async def test_a_disk_that_does_not_confirm_is_unavailable(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_file: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("os.fdatasync", broken)
        with pytest.raises(Unavailable, match="does not confirm"):
            await sqlite_database.write(partial(put, "a"))
    await sqlite_database.write(partial(put, "b"))


async def test_what_takes_long_is_written_elsewhere(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ostiary.store.sqlite.database.SLICE", 0.0)
    names = await asyncio.gather(sqlite_database.write(_writer_name), sqlite_database.write(_writer_name))
    assert list(names) == [1, 2]  # each ran whole, once
    assert len(await sqlite_database.fetch("SELECT name FROM counter")) == 2


def _writer_name() -> Batch[int]:
    count = (yield Statement("SELECT count(*) AS n FROM counter"))[0]["n"]
    yield from put(f"row {count}")
    return int(count) + 1


async def test_the_log_is_folded_and_starts_anew(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ostiary.store.sqlite.writer.CHECKPOINT_PAGES", 20)
    log = file_of(sqlite_database).with_name(file_of(sqlite_database).name + "-wal")
    for number in range(600):
        await sqlite_database.write(partial(put, f"{number} {'x' * 2000}"))
    assert log.stat().st_size < 3_000_000  # 600 commits of about 5 pages would be 12 MB


async def test_closing_a_second_database_of_the_process_keeps_the_log(sqlite_database: Database) -> None:
    await sqlite_database.write(partial(put, "a"))
    second = await open_sqlite(file_of(sqlite_database))
    await second.close()
    await sqlite_database.write(partial(put, "b"))
    assert len(await sqlite_database.fetch("SELECT name FROM counter")) == 2


def _pragmas() -> Batch[list[object]]:
    values = []
    for name in ("journal_mode", "synchronous", "foreign_keys"):
        result = yield Statement(f"PRAGMA {name}")
        values.append(result[0][0])
    return values


async def test_a_new_file_is_for_its_owner_only(tmp_path: Path) -> None:
    opened = await open_sqlite(tmp_path / "new.db")
    await opened.write(_pragmas)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    await opened.close()
    assert [path.name for path in tmp_path.iterdir()] == ["new.db"]  # the log is folded in


async def test_a_writer_waits_for_another_process(sqlite_database: Database) -> None:
    other = sqlite3.connect(file_of(sqlite_database), isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.3, lambda: other.execute("COMMIT")).start()
    begun = time.perf_counter()
    await sqlite_database.write(partial(put, "a"))
    assert time.perf_counter() - begun > 0.2
    other.close()


async def test_readers_do_not_wait_for_a_writer(sqlite_database: Database) -> None:
    other = sqlite3.connect(file_of(sqlite_database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO counter (name, value) VALUES ('x', 1)")
    assert await sqlite_database.fetch("SELECT name FROM counter") == []
    other.execute("COMMIT")
    assert len(await sqlite_database.fetch("SELECT name FROM counter")) == 1
    other.close()


async def test_a_lock_that_is_never_released_is_unavailable(sqlite_database: Database) -> None:
    impatient = await open_sqlite(file_of(sqlite_database), lock_timeout=0.1)
    other = sqlite3.connect(file_of(sqlite_database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answers = await asyncio.gather(*(impatient.write(partial(put, str(n))) for n in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable] * 3
    other.execute("ROLLBACK")
    await impatient.write(partial(put, "a"))
    other.close()
    await impatient.close()


async def test_a_full_disk_is_unavailable_and_heals(sqlite_database: Database) -> None:
    big = "x" * 200_000
    pages = (await sqlite_database.fetch("PRAGMA page_count"))[0][0]
    await limit_pages(sqlite_database, pages + 5)
    answers = await asyncio.gather(
        sqlite_database.write(partial(put, big)), sqlite_database.write(partial(put, "small")), return_exceptions=True
    )
    assert isinstance(answers[0], Unavailable)
    await limit_pages(sqlite_database, 1_000_000)
    await sqlite_database.write(partial(put, big))
    names = {row["name"][:5] for row in await sqlite_database.fetch("SELECT name FROM counter")}
    assert names == ({"xxxxx", "small"} if not isinstance(answers[1], Exception) else {"xxxxx"})


async def limit_pages(database: Database, pages: int) -> None:
    """Limit the file, for both connections that write."""
    limit = partial(_pragma, f"PRAGMA max_page_count = {pages}")
    await database.write(limit)
    await asyncio.to_thread(asyncio.run, database.write(limit))


def _pragma(sql: str) -> Batch[None]:
    yield Statement(sql)


async def test_a_folder_that_is_missing_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be opened"):
        await open_sqlite(tmp_path / "missing" / "ostiary.db")


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "ostiary.db"
    path.write_bytes(b"this is a letter, not a database. " * 50)
    with pytest.raises(Unavailable, match="cannot be used"):
        await open_sqlite(path)


async def test_a_file_without_write_ahead_logging_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_WAL", "PRAGMA journal_mode = DELETE")
    with pytest.raises(Unavailable, match="network file system"):
        await open_sqlite(tmp_path / "ostiary.db")


async def test_opening_waits_for_who_is_making_the_file(tmp_path: Path) -> None:
    path = tmp_path / "ostiary.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    other.execute("CREATE TABLE x (a)")
    threading.Timer(0.3, lambda: other.execute("COMMIT")).start()
    opened = await open_sqlite(path)
    assert len(await opened.fetch("SELECT * FROM x")) == 0
    await opened.close()
    other.close()


def test_opening_does_not_wait_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "ostiary.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Unavailable, match="locked"):
        connection.connect(path, lock_timeout=0.05, read_only=False)
    other.close()


async def test_a_long_queue_is_committed_in_several_groups(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ostiary.store.sqlite.database.GROUP", 3)
    monkeypatch.setattr("ostiary.store.sqlite.writer.GROUP", 3)
    await asyncio.gather(*(sqlite_database.write(partial(put, str(number))) for number in range(20)))
    assert len(await sqlite_database.fetch("SELECT name FROM counter")) == 20


async def test_a_caller_whose_loop_has_ended_harms_nobody(sqlite_database: Database) -> None:
    other = sqlite3.connect(file_of(sqlite_database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def impatient() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sqlite_database.write(partial(put, "gone")), 0.1)

    await asyncio.to_thread(asyncio.run, impatient())
    other.execute("COMMIT")
    other.close()
    await sqlite_database.write(partial(put, "here"))


async def test_an_error_in_a_long_read_is_told_too(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ostiary.store.sqlite.database.SLICE", 0.0)
    long = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 9000) SELECT count(*) AS n FROM c"

    def batch() -> Batch[None]:
        yield Statement(long)
        yield Statement("SELECT nothing FROM counter")

    with pytest.raises(WrongStatement):
        await sqlite_database.read(batch)
    with pytest.raises(WrongStatement):
        await sqlite_database.fetch("DELETE FROM counter")


HOT = {
    "SELECT body, family FROM single_use WHERE namespace = ? AND hash = ? AND expires > ? AND consumed IS NULL": 3,
    "DELETE FROM single_use WHERE expires <= ?": 1,
    "DELETE FROM single_use WHERE namespace = ? AND family = ?": 2,
    "SELECT 1 AS waiting FROM task WHERE name IN (?, ?) AND due <= ? LIMIT 1": 3,
    "UPDATE task SET due = ? WHERE id = ? AND state = 'running' AND owner = ? AND attempts = ?": 4,
}


@pytest.mark.parametrize("sql", HOT)
async def test_every_hot_statement_uses_an_index(sqlite_database: Database, sql: str) -> None:
    rows = await sqlite_database.fetch("EXPLAIN QUERY PLAN " + sql, *([1] * HOT[sql]))
    assert all("USING" in row["detail"] and "INDEX" in row["detail"] for row in rows), [row["detail"] for row in rows]


async def test_two_loops_may_share_the_writer(sqlite_database: Database) -> None:
    await asyncio.gather(
        sqlite_database.write(partial(put, "here")),
        asyncio.to_thread(asyncio.run, sqlite_database.write(partial(put, "there"))),
    )
    assert len(await sqlite_database.fetch("SELECT name FROM counter")) == 2


async def test_a_file_behind_a_link(sqlite_template: Path, tmp_path: Path) -> None:
    """SQLite's log lies beside the file, not beside the link."""
    (tmp_path / "disk").mkdir()
    shutil.copy(sqlite_template, tmp_path / "disk/real.db")
    link = tmp_path / "ostiary.db"
    link.symlink_to(tmp_path / "disk/real.db")
    database = await open_sqlite(link)
    await database.write(partial(put, "a"))
    assert len(await database.fetch("SELECT name FROM counter")) == 1
    await database.close()


async def test_a_log_that_is_gone_confirms_nothing(sqlite_database: Database) -> None:
    """Neither without one, nor with another in its place, which our connections do not write to."""
    file = file_of(sqlite_database)
    log = file.with_name(file.name + "-wal")
    log.unlink()
    with pytest.raises(Unavailable, match="does not confirm"):
        await sqlite_database.write(partial(put, "a"))
    # Another file takes the first number that is free.
    with (file.parent / "another").open("wb"), pytest.raises(Unavailable, match="does not confirm"):
        await sqlite_database.write(partial(put, "b"))
    log.touch()
    with pytest.raises(Unavailable, match="does not confirm"):
        await sqlite_database.write(partial(put, "c"))
    cast("Any", sqlite_database)._writer._count(1)  # busy: the thread itself writes the next one
    with pytest.raises(Unavailable, match="does not confirm"):
        await sqlite_database.write(partial(put, "d"))
    sqlite_database._writer._count(-1)  # type: ignore[attr-defined]


def names() -> Batch[list[str]]:
    rows = yield Statement("SELECT name FROM counter ORDER BY name")
    return [row["name"] for row in rows]


async def test_a_late_read_is_not_stuck_in_the_past(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite counts its steps over all runs of a text: one of some hundred BEGIN or ROLLBACK is where it looks up."""
    monkeypatch.setattr("ostiary.store.sqlite.database.SLICE", 0)
    with sqlite3.connect(file_of(sqlite_database), isolation_level=None) as other:
        for number in range(1_200):
            await sqlite_database.read(names)
            assert not sqlite_database._connection.in_transaction, number  # type: ignore[attr-defined]
        other.execute("INSERT INTO counter (name, value) VALUES ('b', 1)")
    other.close()
    assert await sqlite_database.read(names) == ["b"]


async def test_what_is_left_to_the_thread_does_not_keep_the_lock(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ostiary.store.sqlite.database.SLICE", 0)
    for number in range(1_200):
        await asyncio.wait_for(sqlite_database.write(partial(put, f"{number}")), 60)
        assert not sqlite_database._connection.in_transaction, number  # type: ignore[attr-defined]
    assert len(await sqlite_database.fetch("SELECT name FROM counter")) == 1_200
