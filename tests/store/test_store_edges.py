"""The rarer answers of the store: what is installed, what expired, whose error it is, and who is not waited for."""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ostiary.store.database import Batch, Database, Reason, Row, Statement, Unavailable, WrongStatement
from ostiary.store.hashing import token_hash
from ostiary.store.loop import Loop
from ostiary.store.migrations import is_installed, is_sealed
from ostiary.store.ordered_key import OrderedKeys, age
from ostiary.store.postgresql import connection as postgres_connection
from ostiary.store.single_use import Fresh, Purpose, consume, first, issue, prolong, restore
from ostiary.store.sqlite import connection as sqlite_connection
from ostiary.store.sqlite.database import open_sqlite
from ostiary.store.sqlite.watch import WatchList
from ostiary.store.sweeping import BITE, bite, in_bites
from ostiary.store.timeouts import with_timeout
from ostiary.store.workspace.commit import run, write_all

CODE: Purpose[Any] = Purpose("code")
NOW = 1_000


async def count(database: Database, sql: str) -> int:
    rows: list[Row] = list(await database.fetch(sql))
    return int(rows[0]["n"])


# Single-use values


async def test_a_value_that_is_prolonged_is_good_for_longer(database: Database) -> None:
    hashed = token_hash("a")
    await write_all(database, [issue(CODE, hashed, {}, expires=NOW + 1, family=None)])
    await write_all(database, [prolong(CODE, hashed, expires=NOW + 10), prolong(CODE, hashed, expires=NOW + 5)])
    found = await database.write(lambda: consume(CODE, hashed, now=NOW + 9, tombstone=True))
    assert isinstance(found, Fresh)


async def test_a_value_that_is_restore_is_fresh_again(database: Database) -> None:
    hashed = token_hash("a")
    await write_all(database, [issue(CODE, hashed, {}, expires=NOW + 10, family=None)])

    def twice() -> Batch[tuple[object, object]]:
        one = yield from consume(CODE, hashed, now=NOW, tombstone=True)
        yield restore(CODE, hashed)
        return one, (yield from consume(CODE, hashed, now=NOW, tombstone=True))

    one, other = await database.write(twice)
    assert isinstance(one, Fresh)
    assert isinstance(other, Fresh)


async def test_a14_an_external_value_is_recorded_once(database: Database) -> None:
    statement = first(CODE, token_hash("jti"), expires=NOW + 10, error=lambda: ValueError("before"))
    await write_all(database, [statement])
    with pytest.raises(ValueError, match="before"):
        await write_all(database, [statement])


# Expiry in bites


async def test_expired_rows_are_deleted_in_bites(database: Database) -> None:
    rows = [
        Statement("INSERT INTO counter (name, value) VALUES (?, ?)", (f"n{number}", number))
        for number in range(BITE + 3)
    ]
    await write_all(database, rows)
    bites = []

    async def once() -> int:
        sweep = bite("counter", "name", "value < ?", BITE + 2, order="value")
        done = await database.write(lambda: one(sweep))
        bites.append(done)
        return done

    await in_bites(once)
    assert sum(bites) == BITE + 2
    assert len(bites) > 1
    assert await count(database, "SELECT COUNT(*) AS n FROM counter") == 1


def one(statement: Statement) -> Batch[int]:
    return (yield statement).count


# Installations


async def test_what_is_installed_and_sealed(database: Database) -> None:
    assert await is_installed(database)
    assert not await is_sealed(database)
    await write_all(database, [Statement("UPDATE config_head SET canary = 'x'")])
    assert await is_sealed(database) is bool(await count(database, "SELECT COUNT(*) AS n FROM config_head"))


async def test_nothing_is_installed_in_a_new_file(tmp_path: Path) -> None:
    database = await open_sqlite(tmp_path / "new.db")
    assert not await is_installed(database)
    assert not await is_sealed(database)
    await write_all(database, [Statement("CREATE TABLE schema_step (number INTEGER PRIMARY KEY)")])
    assert await is_installed(database)
    assert not await is_sealed(database), "the first steps were applied, and no more"
    await database.close()
    await database.close()


# Order


def test_keys_are_ordered_from_the_oldest_to_the_newest() -> None:
    keys = OrderedKeys()
    new = [keys.new() for _ in range(5)]
    old = sorted(str(uuid.uuid4()) for _ in range(3))
    assert sorted([*new, *old], key=age) == [*old, *new]
    assert sorted([3, 1, 2], key=age) == [1, 2, 3]


# Loops and limits


async def test_a_loop_that_is_ended_in_its_turn_takes_no_other() -> None:
    turns = []

    async def turn() -> None:
        turns.append(1)
        loop.end()

    loop = Loop("some", turn, every=0.0, bound=1.0)
    await asyncio.wait_for(loop.run(), 5)
    assert turns == [1]


async def test_a_time_limit_of_the_work_is_not_taken_for_ours() -> None:
    async def work() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await with_timeout(work())


# Errors


def test_errors_of_postgresql_say_whose_they_are() -> None:
    lost = postgres_connection.translate_error(ConnectionResetError("gone"))
    assert isinstance(lost, Unavailable)
    assert (lost.reason, str(lost)) == (Reason.UNREACHABLE, "the database does not answer: gone")
    late = postgres_connection.translate_error(TimeoutError())
    assert isinstance(late, Unavailable)
    assert (late.reason, str(late)) == (Reason.TIMEOUT, "the database does not answer: TimeoutError")
    assert isinstance(postgres_connection.translate_error(asyncpg.PostgresSyntaxError("x")), WrongStatement)
    other = ValueError("x")
    assert postgres_connection.translate_error(other) is other


def test_a_full_disk_is_called_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        f_bavail = 0

    monkeypatch.setattr("os.statvfs", lambda _: Full())
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    found = sqlite_connection._unusable(tmp_path / "x.db", "opened", error)
    assert found.reason is Reason.FULL
    assert "the disk is full (disk I/O error)" in str(found)


class Busy:
    """A connection whose journal mode is changed by another process meanwhile."""

    def __init__(self, times: int) -> None:
        self.times = times

    def execute(self, _sql: str) -> Any:
        self.times -= 1
        if self.times >= 0:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error
        return self

    def fetchone(self) -> tuple[str]:
        return ("wal",)


def test_the_journal_mode_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    sqlite_connection._enter_wal(Busy(3), 5.0)  # type: ignore[arg-type]
    with pytest.raises(sqlite3.OperationalError):
        sqlite_connection._enter_wal(Busy(3), -1.0)  # type: ignore[arg-type]


# Watches


def test_a_watch_sees_changes_of_its_tables_and_of_other_processes(tmp_path: Path) -> None:
    mine, other = (sqlite3.connect(tmp_path / "x.db", isolation_level=None) for _ in range(2))
    mine.execute("CREATE TABLE person_a (x INTEGER)")
    watched = WatchList(mine)
    watch = watched.watch("person_")
    before = watch.state()
    watched.changed(["SELECT 1 FROM elsewhere", "SELECT 1 FROM elsewhere"])
    assert watch.state() == before
    watched.changed(["INSERT INTO PERSON_A VALUES (1)"])
    second = watch.state()
    assert second != before
    other.execute("INSERT INTO person_a VALUES (1)")
    assert watch.state() != second
    other.close()
    mine.close()
    assert watch.state() is None


def test_run_sends_its_statements_in_order() -> None:
    statements = [Statement("SELECT 1"), Statement("SELECT 2")]
    assert list(run(statements)) == statements
