"""What a database counts of its own work, on each back end: calls that wait, how long they took, failures by reason."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.postgres import ROLE, PostgresServer

from ostiary.store.activity import BUCKETS, Durations, activity_of
from ostiary.store.database import Batch, Conflict, Database, Guard, Reason, Statement, Unavailable
from ostiary.store.sqlite.database import open_sqlite


def put(name: str) -> Batch[None]:
    yield Statement("INSERT INTO counter (name, value) VALUES (?, 1)", (name,))


def look() -> Batch[int]:
    return len((yield Statement("SELECT name FROM counter")))


def nobody() -> Batch[None]:
    yield Statement("DELETE FROM counter WHERE name = ?", ("nobody",), Guard(Conflict))


def test_durations_fall_into_buckets() -> None:
    durations = Durations()
    for seconds in (0.0, BUCKETS[0], BUCKETS[0] * 1.01, BUCKETS[-1], 1_000.0):
        durations.add(seconds)
    assert durations.buckets == [2, 1, *[0] * (len(BUCKETS) - 3), 1, 1]
    assert sum(durations.buckets) == 5
    assert 1_000 < durations.seconds < 1_020


async def test_calls_are_timed_and_counted_while_they_wait(database: Database) -> None:
    activity = activity_of(database)
    waiting = asyncio.create_task(database.write(lambda: put("a")))
    await asyncio.sleep(0)
    assert activity.writes.waiting == 1
    await waiting
    with pytest.raises(Conflict):
        await database.write(nobody)
    await database.read(look)
    await database.fetch("SELECT 1 AS one")
    assert (activity.writes.waiting, activity.reads.waiting) == (0, 0)
    # What the program itself refuses is an answer of the database as well.
    assert sum(activity.writes.durations.buckets) == 2
    assert activity.writes.durations.seconds > 0
    # On SQLite a short read runs at once on the event loop: nobody waits, and nothing is counted.
    assert sum(activity.reads.durations.buckets) == (0 if database.dialect == "sqlite" else 2)
    assert not +activity.errors
    assert activity.lost == 0


async def test_a_long_read_of_sqlite_waits_for_a_thread(sqlite_database: Database) -> None:
    many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000) SELECT MAX(i) AS m FROM n"
    rows = await sqlite_database.fetch(many)
    assert rows[0]["m"] == 400_000
    assert sum(activity_of(sqlite_database).reads.durations.buckets) == 1


async def test_a_locked_sqlite_is_counted(sqlite_database: Any, tmp_path: Path) -> None:
    database = await open_sqlite(Path(sqlite_database._path), lock_timeout=0.05)
    with closing(sqlite3.connect(sqlite_database._path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            await database.write(lambda: put("a"))
        holder.execute("ROLLBACK")
    assert +activity_of(database).errors == {Reason.LOCKED: 1}
    assert sum(activity_of(database).writes.durations.buckets) == 0, "it did not answer"
    await database.close()


async def test_an_unreadable_sqlite_is_counted(sqlite_database: Any) -> None:
    class Broken:
        in_transaction = False

        def execute(self, *_: Any) -> Any:
            raise sqlite3.OperationalError("disk I/O error")

    real, sqlite_database._connection = sqlite_database._connection, Broken()
    for call in (sqlite_database.fetch("SELECT 1"), sqlite_database.read(look)):
        with pytest.raises(Unavailable):
            await call
    sqlite_database._connection = real
    assert sum(activity_of(sqlite_database).errors.values()) == 2


async def test_lost_connections_of_postgresql_are_counted(
    postgres_server: PostgresServer, postgres_database: Database
) -> None:
    activity = activity_of(postgres_database)
    await postgres_database.write(lambda: put("a"))
    assert await postgres_database.read(look) == 1
    assert activity.pool() == {"reading": 0, "idle": 1, "writer": 1}
    name = (await postgres_database.fetch("SELECT current_database() AS name"))[0]["name"]
    postgres_server.admin(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    await postgres_database.write(lambda: put("b"))
    assert await postgres_database.read(look) == 2, "nobody notices"
    assert activity.lost >= 1
    assert not +activity.errors


async def test_refusals_of_postgresql_are_counted(postgres_server: PostgresServer, postgres_database: Database) -> None:
    name = (await postgres_database.fetch("SELECT current_database() AS name"))[0]["name"]
    postgres_server.admin(f"REVOKE INSERT ON ostiary.counter FROM {ROLE}", database=name)
    with pytest.raises(Unavailable):
        await postgres_database.write(lambda: put("a"))
    assert +activity_of(postgres_database).errors == {Reason.REFUSED: 1}
