"""Migrations: once, in order, all or nothing, safe when several start, and never onto a newer schema."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from support.schema import all_migrations

from ostiary.store.database import Batch, Database, NewerSchema, Statement, WrongStatement
from ostiary.store.migrations import Migration, migrate, render_sql
from ostiary.store.postgresql.opening import PostgresConfig, open_postgresql
from ostiary.store.sqlite.database import open_sqlite

ONE = Migration(1000, "test", "one", ("CREATE TABLE one (id {int} PRIMARY KEY)", "INSERT INTO one (id) VALUES (1)"))
TWO = Migration(1001, "test", "two", ("ALTER TABLE one ADD COLUMN name {text}", "UPDATE one SET name = 'x'"))
HERE = Path(__file__).parent


def run(statement: Statement) -> Batch[None]:
    yield statement


async def test_each_step_is_applied_once_and_noted(database: Database) -> None:
    known = all_migrations()
    assert await migrate(database, [*known, TWO, ONE], now=5) == 2
    assert await migrate(database, [*known, ONE, TWO], now=6) == 0
    rows = await database.fetch(
        "SELECT number, room, title, applied FROM schema_step WHERE number >= 1000 ORDER BY number"
    )
    assert [tuple(row[position] for position in range(4)) for row in rows] == [
        (1000, "test", "one", 5),
        (1001, "test", "two", 5),
    ]
    assert (await database.fetch("SELECT name FROM one"))[0]["name"] == "x"


async def test_a_late_lower_number_is_still_applied(database: Database) -> None:
    known = all_migrations()
    await migrate(database, [*known, Migration(1001, "test", "first", ())], now=1)
    assert await migrate(database, [*known, Migration(1001, "test", "first", ()), ONE], now=2) == 1


async def test_a_broken_step_leaves_nothing(database: Database) -> None:
    broken = Migration(1001, "test", "broken", ("CREATE TABLE two (id {int})", "CREATE TABEL three (id {int})"))
    with pytest.raises(WrongStatement, match="TABEL"):
        await migrate(database, [*all_migrations(), ONE, broken], now=1)
    for table in ("one", "two"):
        with pytest.raises(WrongStatement):
            await database.fetch(f"SELECT * FROM {table}")
    assert await migrate(database, [*all_migrations(), ONE], now=2) == 1


async def test_a_newer_schema_is_refused_with_a_clear_message(database: Database) -> None:
    await migrate(database, [*all_migrations(), ONE], now=1)
    with pytest.raises(NewerSchema, match=r"newer version of Ostiary.*step 1000 \(test: one\)"):
        await migrate(database, all_migrations(), now=2)
    with pytest.raises(NewerSchema):
        await migrate(database, [*all_migrations(), TWO], now=2)
    assert not await database.fetch("SELECT number FROM schema_step WHERE number = 1001")


async def test_two_steps_may_not_share_a_number(database: Database) -> None:
    with pytest.raises(ValueError, match="1000"):
        await migrate(database, [ONE, Migration(1000, "other", "two", ())], now=1)


def test_the_program_has_each_number_once() -> None:
    numbers = [step.number for step in all_migrations()]
    assert len(numbers) == len(set(numbers))


def test_types_are_replaced() -> None:
    text = "CREATE TABLE x (a {identity}, b {int}, c {blob}, d {text})"
    assert render_sql(text, "sqlite") == (
        "CREATE TABLE x (a INTEGER PRIMARY KEY AUTOINCREMENT, b INTEGER, c BLOB, d TEXT) STRICT"
    )
    assert render_sql(text, "postgresql") == (
        'CREATE TABLE x (a BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, b BIGINT, c BYTEA, d TEXT COLLATE "C")'
    )
    with pytest.raises(KeyError):
        render_sql("CREATE TABLE x (a {json})", "sqlite")


def migrate_in_processes(*where: str) -> list[int]:
    environ = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    moment = str(time.time() + 1.5)  # they start together, whatever their imports cost
    command = [sys.executable, str(HERE / "store_migrate_process.py"), moment, *where]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, text=True) for _ in range(3)]
    answers = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    return sorted(int(answer) for answer in answers)


async def test_processes_that_start_together_migrate_once_on_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    assert migrate_in_processes(str(path)) == [0, 0, len(all_migrations())]
    opened = await open_sqlite(path)
    assert await migrate(opened, all_migrations(), now=1) == 0
    await opened.close()


async def test_processes_that_start_together_migrate_once_on_postgresql(postgres_config: PostgresConfig) -> None:
    config = postgres_config
    answers = migrate_in_processes(config.host, str(config.port), config.name, config.user)
    assert answers == [0, 0, len(all_migrations())]
    opened = await open_postgresql(config)
    assert await migrate(opened, all_migrations(), now=1) == 0
    await opened.close()


async def test_another_connection_sees_tables_that_were_added_meanwhile(postgres_config: PostgresConfig) -> None:
    old = await open_postgresql(postgres_config)
    new = await open_postgresql(postgres_config)
    await migrate(new, [ONE], now=1)
    assert len(await old.fetch("SELECT id FROM one")) == 1
    await old.write(partial(run, Statement("INSERT INTO one (id) VALUES (?)", (2,))))
    assert len(await new.fetch("SELECT id FROM one")) == 2
    await old.close()
    await new.close()


def test_migrations_add_and_take_nothing_away() -> None:
    """In a cluster the migration runs while processes of the older version still answer: what they read must stay."""
    allowed = re.compile(
        r"(?is)\s*(CREATE (TABLE|(UNIQUE )?INDEX)\b|DROP INDEX\b|INSERT INTO\b|UPDATE\b"
        r"|ALTER TABLE \w+ ADD COLUMN \w+ \{\w+\}(?! NOT NULL(?! DEFAULT))"
        r"|DELETE FROM directory_attempt$)"  # failures counted so far: an older process finds none, and counts on
    )
    for step in all_migrations():
        for statement in step.statements:
            assert allowed.match(statement), f"step {step.number} ({step.room}): {statement}"
    assert not allowed.match("ALTER TABLE a ADD COLUMN b {text} NOT NULL")
    assert not allowed.match("ALTER TABLE a DROP COLUMN b")
