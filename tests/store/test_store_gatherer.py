"""Reads and inserts of PostgreSQL that travel together, and the pooler before which nothing is kept prepared."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from support.postgres import PostgresServer

from ostiary.store.database import Batch, Database, Duplicate, Guard, Result, Statement, StoreError, Unstorable
from ostiary.store.inserts import inserts, multi_row
from ostiary.store.migrations import migrate
from ostiary.store.postgresql.dialect import Translator
from ostiary.store.postgresql.opening import PostgresConfig, open_postgresql
from ostiary.store.postgresql.shared_reads import GROUP
from ostiary.store.tables import MIGRATIONS

NAMES = [f"n{number:03}" for number in range(3 * GROUP)]
BY_NAME = "SELECT name, value FROM counter WHERE name = ?"


def put(*names: str, value: int = 1) -> Batch[str]:
    for name in names:
        yield Statement("INSERT INTO counter (name, value) VALUES (?, ?)", (name, value))
    return names[-1]


@pytest.fixture
async def postgres(postgres_config: PostgresConfig) -> AsyncIterator[Database]:
    database = await open_postgresql(postgres_config)
    await migrate(database, MIGRATIONS, now=1)
    yield database
    await database.close()


@pytest.fixture
async def filled(postgres: Database) -> Database:
    await postgres.write(partial(put, *NAMES))
    return postgres


async def prepared(database: Database) -> list[str]:
    """Return the texts the connection for reading keeps prepared."""
    rows = await database.fetch("SELECT statement FROM pg_prepared_statements WHERE statement NOT LIKE '%pg_prep%'")
    return [row["statement"] for row in rows]


class TestReads:
    async def test_each_is_answered_with_its_own_rows(self, filled: Database) -> None:
        wanted = [*NAMES, "nobody", *NAMES[:5]]
        answers = await asyncio.gather(*(filled.fetch(BY_NAME, name) for name in wanted))
        assert [[row["name"] for row in rows] for rows in answers] == [
            [name] if name in NAMES else [] for name in wanted
        ]
        assert answers[0][0][0] == NAMES[0]

    async def test_they_travel_together(self, filled: Database) -> None:
        await asyncio.gather(*(filled.fetch(BY_NAME, name) for name in NAMES))
        texts = await prepared(filled)
        assert any("ostiary_asked" in text for text in texts)

    async def test_the_order_of_rows_is_kept(self, filled: Database) -> None:
        sql = "SELECT name FROM counter WHERE name >= ? ORDER BY name DESC LIMIT ?"
        answers = await asyncio.gather(*(filled.fetch(sql, NAMES[start], 3) for start in range(20)))
        assert all([row[0] for row in rows] == NAMES[:-4:-1] for rows in answers)

    async def test_null_and_every_type_travel(self, postgres: Database) -> None:
        sql = "SELECT CAST(? AS BIGINT) AS i, CAST(? AS TEXT) AS t, CAST(? AS BYTEA) AS b, CAST(? AS FLOAT8) AS f"
        asked: list[tuple[Any, ...]] = [(1, "a", b"\0", 0.5), (None, None, None, None), (2**62, "ß", b"", -1.0)]
        answers = await asyncio.gather(*(postgres.fetch(sql, *values) for values in asked))
        assert [tuple(rows[0][name] for name in "itbf") for rows in answers] == asked

    async def test_a_recursive_read_travels(self, postgres: Database) -> None:
        sql = "WITH RECURSIVE up (n) AS (SELECT CAST(? AS BIGINT) UNION SELECT n + 1 FROM up WHERE n < ?) SELECT n FROM up"
        answers = await asyncio.gather(*(postgres.fetch(sql, start, 5) for start in range(4)))
        assert [[row["n"] for row in rows] for rows in answers] == [list(range(start, 6)) for start in range(4)]

    async def test_what_fails_fails_alone(self, filled: Database) -> None:
        sql = "SELECT 10 / CAST(? AS BIGINT) AS tenth"
        answers = await asyncio.gather(*(filled.fetch(sql, number) for number in (5, 0, 2)), return_exceptions=True)
        assert [answers[0][0]["tenth"], answers[2][0]["tenth"]] == [2, 5]  # type: ignore[index]
        assert isinstance(answers[1], StoreError)

    async def test_what_cannot_be_kept_is_refused_before_it_travels(self, filled: Database) -> None:
        answers = await asyncio.gather(
            filled.fetch(BY_NAME, "a\0b"), filled.fetch(BY_NAME, NAMES[0]), return_exceptions=True
        )
        assert isinstance(answers[0], Unstorable)
        assert answers[1][0]["name"] == NAMES[0]  # type: ignore[index]

    async def test_one_that_is_given_up_does_not_stop_the_others(self, filled: Database) -> None:
        tasks = [asyncio.create_task(filled.fetch(BY_NAME, name)) for name in NAMES[:10]]
        await asyncio.sleep(0)
        tasks[3].cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(answers[3], asyncio.CancelledError)
        assert [rows[0]["name"] for rows in answers[:3] + answers[4:]] == NAMES[:3] + NAMES[4:10]  # type: ignore[index]

    async def test_a_changed_table_is_read_again(self, filled: Database) -> None:
        everything = "SELECT * FROM counter WHERE name = ?"
        await asyncio.gather(*(filled.fetch(everything, name) for name in NAMES[:4]))
        await filled.write(partial(_one, Statement("ALTER TABLE counter ADD COLUMN more INTEGER")))
        answers = await asyncio.gather(*(filled.fetch(everything, name) for name in NAMES[:4]))
        assert [rows[0]["name"] for rows in answers] == NAMES[:4]


def _one(statement: Statement) -> Batch[Result]:
    return (yield statement)


class TestInserts:
    async def test_of_fifty_one_fails(self, database: Database) -> None:
        names = [*NAMES[:25], "twice", *NAMES[25:49]]
        await database.write(partial(put, "twice"))
        before = len(await database.fetch("SELECT name FROM counter"))
        answers = await asyncio.gather(*(database.write(partial(put, name)) for name in names), return_exceptions=True)
        assert [answer for answer in answers if not isinstance(answer, Duplicate)] == NAMES[:49]
        assert len(await database.fetch("SELECT name FROM counter")) == before + 49

    async def test_each_row_is_written_as_it_was_given(self, database: Database) -> None:
        await asyncio.gather(*(database.write(partial(put, name, value=at)) for at, name in enumerate(NAMES)))
        rows = await database.fetch("SELECT name, value FROM counter WHERE name LIKE 'n%' ORDER BY name")
        assert [(row["name"], row["value"]) for row in rows] == [(name, at) for at, name in enumerate(NAMES)]

    async def test_what_cannot_be_kept_fails_alone(self, database: Database) -> None:
        names = ["good", "b\0d", "fine"]
        answers = await asyncio.gather(*(database.write(partial(put, name)) for name in names), return_exceptions=True)
        assert [answers[0], answers[2]] == ["good", "fine"]
        assert isinstance(answers[1], Unstorable)

    async def test_others_run_in_the_same_transaction(self, postgres: Database) -> None:
        raise_ = Statement("UPDATE counter SET value = value + 1 WHERE name = ?", ("a",), Guard(Duplicate))
        await postgres.write(partial(put, "a"))
        await asyncio.gather(
            *(postgres.write(partial(put, name)) for name in NAMES), postgres.write(lambda: _one(raise_))
        )
        rows = await postgres.fetch("SELECT value FROM counter WHERE name = ?", "a")
        assert rows[0]["value"] == 2

    @pytest.mark.parametrize(
        "sql",
        [
            "INSERT INTO counter (name, value) VALUES (?, 1) RETURNING value",
            "INSERT INTO counter (name, value) VALUES (?, 1) ON CONFLICT DO NOTHING",
            "INSERT INTO counter (name, value) SELECT ?, 1",
            "INSERT INTO counter (name, value) VALUES (?, (SELECT 1))",
            "UPDATE counter SET value = 2 WHERE name = ?",
        ],
    )
    async def test_only_plain_inserts_are_told_before_they_run(self, sql: str) -> None:
        assert inserts(lambda: _one(Statement(sql, ("a",)))) is None

    async def test_a_batch_that_goes_on_otherwise_is_run_as_usual(self) -> None:
        def both() -> Batch[None]:
            yield from put("a")
            yield Statement("UPDATE counter SET value = 2 WHERE name = ?", ("a",))

        assert inserts(both) is None

    async def test_the_value_is_that_of_the_batch(self) -> None:
        found = inserts(partial(put, "a", "b"))
        assert found is not None
        assert [one.parameters for one in found.statements] == [("a", 1), ("b", 1)]
        assert found.value == "b"

    def test_the_text_for_several_rows(self) -> None:
        sql = "INSERT INTO t (a, b, c) VALUES (?, CAST(? AS BIGINT), NULL)"
        assert multi_row(sql, 1) == sql
        assert multi_row(sql, 3) == f"{sql}, (?, CAST(? AS BIGINT), NULL), (?, CAST(? AS BIGINT), NULL)"


class TestPooler:
    async def test_nothing_is_kept_prepared_behind_a_pooler(
        self, postgres_server: PostgresServer, postgres_config: PostgresConfig, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with _pooler(postgres_server.port) as port:
            with caplog.at_level(logging.INFO, "ostiary.store"):
                database = await open_postgresql(postgres_server.config(postgres_config.name, port=port))
            await migrate(database, MIGRATIONS, now=1)
            await database.write(partial(put, *NAMES))
            answers = await asyncio.gather(*(database.fetch(BY_NAME, name) for name in NAMES[:20]))
            assert [rows[0]["name"] for rows in answers] == NAMES[:20]
            assert await prepared(database) == []
            assert "a pooler stands before PostgreSQL" in caplog.text
            await database.close()


@contextlib.asynccontextmanager
async def _pooler(port: int) -> AsyncIterator[int]:
    """Stand between, and greet with a process number of one's own, as poolers do."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pass(reader, outer, greet=False), _pass(inner, writer, greet=True))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, greet: bool) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            start = data.find(b"K\0\0\0\x0c") if greet else -1  # BackendKeyData
            if start >= 0:
                number = struct.unpack("!I", data[start + 5 : start + 9])[0]
                data = data[: start + 5] + struct.pack("!I", number ^ 0x5A5A) + data[start + 9 :]
                greet = False
            writer.write(data)
            await writer.drain()
    writer.close()


def test_the_text_for_several() -> None:
    translate = Translator("s")
    translate.learn(["t"])
    assert translate.batched("SELECT a FROM t WHERE b = ? AND c = '?' AND d > ?", ["bytea", "int8"]) == (
        "SELECT found.*, ostiary_asked.turn AS ostiary_turn FROM unnest($1::pg_catalog.bytea[], $2::pg_catalog.int8[]) "
        "WITH ORDINALITY AS ostiary_asked (c1, c2, turn) CROSS JOIN LATERAL "
        "(SELECT a FROM \"s\".t WHERE b = ostiary_asked.c1 AND c = '?' AND d > ostiary_asked.c2) AS found"
    )
