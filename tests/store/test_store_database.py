"""The storage suite: what both back ends promise, and every trap of two dialects."""

from __future__ import annotations

import asyncio
import time
import traceback
from functools import partial
from typing import Any, cast

import pytest

from ostiary.store.database import (
    Batch,
    Conflict,
    Database,
    Duplicate,
    Guard,
    Result,
    Statement,
    StoreError,
    Unavailable,
    Unstorable,
    Value,
    WrongStatement,
    fetch_one,
)
from ostiary.store.migrations import render_sql

THING = """CREATE TABLE thing (
    id {int} PRIMARY KEY, name {text} UNIQUE, amount {int}, body {blob}, parent {int} REFERENCES thing (id)
)"""


class Taken(Exception):
    """What the guard of a test raises."""


@pytest.fixture
async def things(database: Database) -> Database:
    """A database with a table of every type."""
    await database.write(partial(run, Statement(render_sql(THING, database.dialect))))
    return database


def run(*statements: Statement) -> Batch[list[Result]]:
    results = []
    for statement in statements:
        result = yield statement
        results.append(result)
    return results


def add(number: int, name: str | None = None, **values: Value) -> Statement:
    columns: dict[str, Value] = {"id": number, "name": name or f"thing {number}", **values}
    holes = ", ".join("?" for _ in columns)
    return Statement(f"INSERT INTO thing ({', '.join(columns)}) VALUES ({holes})", tuple(columns.values()))


async def ids(database: Database) -> list[int]:
    return [row["id"] for row in await database.fetch("SELECT id FROM thing ORDER BY id")]


# Batches and group commit


async def test_one_of_fifty_batches_fails_alone(things: Database) -> None:
    await things.write(partial(run, add(25)))
    answers = await asyncio.gather(
        *(things.write(partial(run, add(100 + number), add(number))) for number in range(50)), return_exceptions=True
    )
    failed = [number for number, answer in enumerate(answers) if isinstance(answer, BaseException)]
    assert failed == [25]
    assert isinstance(answers[25], Duplicate)
    assert await ids(things) == [*range(50), *(100 + number for number in range(50) if number != 25)]


async def test_a_failed_guard_rolls_back_its_own_batch_only(things: Database) -> None:
    missing = Statement("UPDATE thing SET amount = 1 WHERE id = 999", guard=Guard(Taken))
    answers = await asyncio.gather(
        things.write(partial(run, add(1))),
        things.write(partial(run, add(2), missing)),
        things.write(partial(run, add(3))),
        return_exceptions=True,
    )
    assert isinstance(answers[1], Taken)
    assert await ids(things) == [1, 3]


async def test_a_guard_may_expect_any_number(things: Database) -> None:
    await things.write(partial(run, add(1), add(2)))
    both = Statement("UPDATE thing SET amount = 1", guard=Guard(Taken, rows=2))
    none = Statement("DELETE FROM thing WHERE amount = 7", guard=Guard(Taken, rows=0))
    results = await things.write(partial(run, both, none))
    assert [result.count for result in results] == [2, 0]


async def test_what_a_batch_raises_itself_reaches_its_caller_and_rolls_back(things: Database) -> None:
    def batch() -> Batch[None]:
        yield add(1)
        raise Taken

    with pytest.raises(Taken):
        await things.write(batch)
    assert await ids(things) == []


async def test_a_batch_uses_what_it_reads(things: Database) -> None:
    def copy() -> Batch[int]:
        rows = yield Statement("SELECT max(id) AS top FROM thing")
        added = yield add(rows[0]["top"] + 1)
        return added.count

    await things.write(partial(run, add(1)))
    await asyncio.gather(*(things.write(copy) for _ in range(20)))
    assert await ids(things) == list(range(1, 22))


async def test_a_batch_without_statements(things: Database) -> None:
    def nothing() -> Batch[int]:
        return 7
        yield

    assert await things.write(nothing) == 7
    assert await things.read(nothing) == 7


async def test_returning_gives_rows_and_count(things: Database) -> None:
    insert = Statement("INSERT INTO thing (id, name) VALUES (1, 'a'), (2, 'b') RETURNING id, name")
    (result,) = await things.write(partial(run, insert))
    assert result.count == len(result) == 2
    assert [(row["id"], row[1]) for row in result] == [(1, "a"), (2, "b")]
    (gone,) = await things.write(partial(run, Statement("DELETE FROM thing WHERE id > ? RETURNING id", (1,))))
    assert [row["id"] for row in gone] == [2]


async def test_on_conflict_do_nothing_counts_nothing(things: Database) -> None:
    insert = Statement("INSERT INTO thing (id, name) VALUES (1, 'a') ON CONFLICT (name) DO NOTHING")
    results = await things.write(partial(run, insert, insert))
    assert [result.count for result in results] == [1, 0]


async def test_a_caller_that_goes_away_harms_nobody(things: Database) -> None:
    gone = asyncio.create_task(things.write(partial(run, add(1))))
    stays = asyncio.create_task(things.write(partial(run, add(2))))
    await asyncio.sleep(0)
    gone.cancel()
    await stays
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert 2 in await ids(things)


async def test_a_reader_that_goes_away_harms_nobody(things: Database) -> None:
    readers = [asyncio.create_task(things.fetch("SELECT count(*) AS n FROM thing")) for _ in range(20)]
    await asyncio.sleep(0.002)
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    assert await ids(things) == []


# Reads


async def test_a_read_sees_one_state(things: Database) -> None:
    await things.write(partial(run, add(1)))
    writers: list[asyncio.Task[object]] = []

    def batch() -> Batch[tuple[int, int]]:
        first = yield Statement("SELECT count(*) AS n FROM thing")
        _elsewhere(things, add(2))
        second = yield Statement("SELECT count(*) AS n FROM thing")
        return first[0]["n"], second[0]["n"]

    assert await things.read(batch) == (1, 1)
    assert not writers
    assert await ids(things) == [1, 2]


def _elsewhere(database: Database, statement: Statement) -> None:
    """Write and wait for the commit in the middle of somebody's read, from outside the loop."""
    if database.dialect == "sqlite":
        import sqlite3

        with sqlite3.connect(database._path) as connection:  # type: ignore[attr-defined]
            connection.execute(statement.sql, statement.parameters)
        connection.close()
        return
    import asyncpg
    from support.postgres import apart

    config = database._config  # type: ignore[attr-defined]

    async def work() -> None:
        connection = await asyncpg.connect(
            host=config.host, port=config.port, user=config.user, database=config.name, password="x"
        )
        await connection.execute("SET search_path TO ostiary")
        await connection.execute("INSERT INTO thing (id, name) VALUES ($1, $2)", *statement.parameters)
        await connection.close()

    apart(work)


async def test_a_read_cannot_write(things: Database) -> None:
    with pytest.raises(WrongStatement):
        await things.read(partial(run, add(1)))
    assert await ids(things) == []


async def test_a_read_that_fails_leaves_nothing_behind(things: Database) -> None:
    def batch() -> Batch[None]:
        yield Statement("SELECT id FROM thing")
        raise Taken

    for _ in range(6):  # more than there are connections
        with pytest.raises(Taken):
            await things.read(batch)
        with pytest.raises(WrongStatement):
            await things.read(partial(run, Statement("SELECT nothing FROM thing")))
    await things.write(partial(run, add(1)))
    assert await ids(things) == [1]


async def test_a_reader_sees_what_was_acknowledged(things: Database) -> None:
    for number in range(20):
        await things.write(partial(run, add(number)))
        assert await fetch_one(things, "SELECT id FROM thing WHERE id = ?", number)


async def test_fetch_one_of_nothing(things: Database) -> None:
    assert await fetch_one(things, "SELECT id FROM thing") is None


async def test_a_long_read_does_not_hold_up_the_loop(things: Database) -> None:
    await things.write(partial(run, add(1)))
    long = asyncio.create_task(
        things.fetch(
            "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1000000) SELECT count(*) AS n FROM c"
        )
    )
    await asyncio.sleep(0)
    begun = time.perf_counter()
    assert await fetch_one(things, "SELECT id FROM thing WHERE id = ?", 1)
    assert not long.done()
    assert time.perf_counter() - begun < 0.2
    assert (await long)[0]["n"] == 1_000_000


async def test_a_long_read_of_a_batch_keeps_its_snapshot(things: Database) -> None:
    def batch() -> Batch[list[int]]:
        first = yield Statement("SELECT count(*) AS n FROM thing")
        yield Statement(
            "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 400000) SELECT count(*) AS n FROM c"
        )
        second = yield Statement("SELECT count(*) AS n FROM thing")
        return [first[0]["n"], second[0]["n"]]

    reading = asyncio.create_task(things.read(batch))
    await asyncio.sleep(0.01)
    await things.write(partial(run, add(1)))
    first, second = await reading
    assert first == second


# Errors


async def test_a_unique_error_is_told_and_nothing_stays(things: Database) -> None:
    await things.write(partial(run, add(1, "same")))
    with pytest.raises(Duplicate):
        await things.write(partial(run, add(2), add(3, "same")))
    assert await ids(things) == [1]


async def test_a_missing_parent_is_a_conflict(things: Database) -> None:
    with pytest.raises(Conflict) as caught:
        await things.write(partial(run, add(1, parent=99)))
    assert not isinstance(caught.value, Duplicate)


async def test_a_parent_in_use_is_not_deleted(things: Database) -> None:
    await things.write(partial(run, add(1), add(2, parent=1)))
    with pytest.raises(Conflict):
        await things.write(partial(run, Statement("DELETE FROM thing WHERE id = 1")))


async def test_a_constraint_that_fails_at_commit_fails_its_batch_only(database: Database) -> None:
    sql = (
        """CREATE TABLE late (id {int} PRIMARY KEY, parent {int} REFERENCES late (id) DEFERRABLE INITIALLY DEFERRED)"""
    )
    await database.write(partial(run, Statement(render_sql(sql, database.dialect))))
    insert = "INSERT INTO late (id, parent) VALUES (?, ?)"
    answers = await asyncio.gather(
        database.write(partial(run, Statement(insert, (1, 2)), Statement(insert, (2, 1)))),
        database.write(partial(run, Statement(insert, (3, 99)))),
        database.write(partial(run, Statement(insert, (4, 4)))),
        return_exceptions=True,
    )
    assert [isinstance(answer, Conflict) for answer in answers] == [False, True, False]
    assert [row["id"] for row in await database.fetch("SELECT id FROM late ORDER BY id")] == [1, 2, 4]


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT nothing FROM thing", "SELECT 1 AS one FROM no_such_table"])
async def test_a_wrong_statement_is_a_fault_that_shows_its_text(things: Database, sql: str) -> None:
    with pytest.raises(WrongStatement, match=sql.split(maxsplit=1)[0]):
        await things.fetch(sql)
    with pytest.raises(WrongStatement):
        await things.write(partial(run, Statement(sql)))


async def test_null_where_none_may_be_is_a_fault(database: Database) -> None:
    with pytest.raises(WrongStatement):
        await database.write(partial(run, Statement("INSERT INTO counter (name, value) VALUES ('x', NULL)")))


async def test_errors_never_show_parameters(things: Database) -> None:
    secret = "s3cret"
    await things.write(partial(run, add(1, secret)))
    wrong = (
        add(2, secret),
        add(2, secret + "\ud800"),
        Statement("INSERT INTO counter (name, value) VALUES (?, CAST(? AS BIGINT))", (secret, None)),
        Statement("INSERT INTO thing (id, amount) VALUES (2, ?)", (secret,)),
        Statement("INSERT INTO thing (id, name, parent) VALUES (2, ?, 99)", (secret + "2",)),
    )
    for statement in wrong:
        with pytest.raises(StoreError) as caught:
            await things.write(partial(run, statement))
        assert secret not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(StoreError) as caught:
        await things.fetch("SELECT id FROM thing WHERE name = ? AND amount = ?", "x", secret + "\0")
    assert secret not in "".join(traceback.format_exception(caught.value))


async def test_a_closed_database_is_unavailable(database: Database) -> None:
    await database.close()
    await database.close()
    with pytest.raises(Unavailable):
        await database.fetch("SELECT 1 AS one")
    with pytest.raises(Unavailable):
        await database.read(run)
    with pytest.raises(Unavailable):
        await database.write(run)


async def test_closing_finishes_what_is_queued(things: Database) -> None:
    writes = [asyncio.create_task(things.write(partial(run, add(number)))) for number in range(20)]
    await asyncio.sleep(0)
    await things.close()
    assert len(await asyncio.gather(*writes)) == 20


# The traps of two dialects


@pytest.mark.parametrize("text", ["a\0b", "\0", "lone \ud800", "\udfff"])
async def test_nul_and_lone_surrogates_are_refused(things: Database, text: str) -> None:
    with pytest.raises(Unstorable):
        await things.write(partial(run, add(1, text)))
    with pytest.raises(Unstorable):
        await things.fetch("SELECT id FROM thing WHERE name = ?", text)
    answers = await asyncio.gather(
        things.write(partial(run, add(2, text))), things.write(partial(run, add(3))), return_exceptions=True
    )
    assert isinstance(answers[0], Unstorable)
    assert await ids(things) == [3]


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
async def test_numbers_beyond_64_bits_are_refused(things: Database, number: int) -> None:
    with pytest.raises(Unstorable):
        await things.write(partial(run, add(1, amount=number)))


async def test_a_type_no_database_knows_is_refused(things: Database) -> None:
    with pytest.raises(Unstorable):
        await things.write(partial(run, add(1, amount=cast("Any", [1]))))


async def test_a_text_is_no_number(things: Database) -> None:
    with pytest.raises((Unstorable, WrongStatement)):
        await things.write(partial(run, add(1, amount="many")))


async def test_every_type_comes_back_as_it_was(things: Database) -> None:
    body = bytes(range(256))
    microseconds = 1_767_225_599_999_999
    for number, amount in enumerate([microseconds, 2**63 - 1, -(2**63), 0, None]):
        await things.write(partial(run, add(number, f"naïve 𝕏 {number}", amount=amount, body=body)))
        row = await fetch_one(things, "SELECT name, amount, body FROM thing WHERE id = ?", number)
        assert row is not None
        assert (row["name"], row["amount"], bytes(row["body"])) == (f"naïve 𝕏 {number}", amount, body)
        assert type(row["body"]) is bytes


async def test_order_is_binary(things: Database) -> None:
    names = ["B", "a", "A", "b", "é", "z", "Z", "_", "10", "9", "a b", "ab", "𝕏", "\ufffd"]
    await things.write(partial(run, *(add(number, name) for number, name in enumerate(names))))
    rows = await things.fetch("SELECT name FROM thing ORDER BY name")
    assert [row["name"] for row in rows] == sorted(names, key=str.encode)
    rows = await things.fetch("SELECT name FROM thing WHERE name > ? ORDER BY name DESC", "Z")
    assert [row["name"] for row in rows] == sorted((name for name in names if name.encode() > b"Z"), key=str.encode)[
        ::-1
    ]


async def test_equality_is_binary(things: Database) -> None:
    await things.write(partial(run, add(1, "é"), add(2, "e\u0301"), add(3, "É")))
    assert len(await things.fetch("SELECT id FROM thing WHERE name = ?", "é")) == 1


async def test_like_is_case_sensitive(things: Database) -> None:
    await things.write(partial(run, add(1, "Ada"), add(2, "ada"), add(3, "a%a")))
    rows = await things.fetch("SELECT id FROM thing WHERE name LIKE ? ORDER BY id", "a%")
    assert [row["id"] for row in rows] == [2, 3]
    rows = await things.fetch("SELECT id FROM thing WHERE name LIKE ? ESCAPE '!' ORDER BY id", "a!%%")
    assert [row["id"] for row in rows] == [3]


async def test_a_nullable_parameter_is_cast(things: Database) -> None:
    await things.write(partial(run, add(1, amount=5), add(2)))
    sql = "SELECT id FROM thing WHERE CAST(? AS BIGINT) IS NULL OR amount = CAST(? AS BIGINT) ORDER BY id"
    assert [row["id"] for row in await things.fetch(sql, None, None)] == [1, 2]
    assert [row["id"] for row in await things.fetch(sql, 5, 5)] == [1]
    text = "SELECT id FROM thing WHERE CAST(? AS TEXT) IS NULL OR name = CAST(? AS TEXT)"
    assert len(await things.fetch(text, None, None)) == 2
    assert len(await things.fetch(text, "thing 2", "thing 2")) == 1


async def test_question_marks_in_texts_are_no_parameters(things: Database) -> None:
    await things.write(partial(run, Statement("INSERT INTO thing (id, name) VALUES (?, 'it''s ? really')", (1,))))
    row = await fetch_one(things, "SELECT id AS \"what?\" FROM thing WHERE name = 'it''s ? really' AND id = ?", 1)
    assert row is not None
    assert row["what?"] == 1


async def test_many_parameters(things: Database) -> None:
    names = [f"thing {number}" for number in range(500)]
    await things.write(partial(run, *(add(number, name) for number, name in enumerate(names))))
    holes = ", ".join("?" for _ in names)
    assert len(await things.fetch(f"SELECT id FROM thing WHERE name IN ({holes})", *names)) == 500


async def test_joins_updates_and_subqueries_find_their_tables(things: Database) -> None:
    await things.write(partial(run, add(1, amount=1), add(2, parent=1)))
    rows = await things.fetch(
        "SELECT child.id AS id, thing.amount AS amount FROM thing AS child JOIN thing ON thing.id = child.parent "
        "WHERE child.id IN (SELECT id FROM thing WHERE parent IS NOT NULL)"
    )
    assert [(row["id"], row["amount"]) for row in rows] == [(2, 1)]
    await things.write(
        partial(run, Statement("UPDATE thing SET amount = (SELECT max(id) FROM thing) WHERE thing.id = ?", (2,)))
    )
    rows = await things.fetch("WITH top AS (SELECT max(amount) AS amount FROM thing) SELECT top.amount AS n FROM top")
    assert rows[0]["n"] == 2


async def test_identity_counts_up_and_is_returned(database: Database) -> None:
    await database.write(
        partial(run, Statement(render_sql("CREATE TABLE numbered (id {identity}, name {text})", database.dialect)))
    )
    insert = Statement("INSERT INTO numbered (name) VALUES (?) RETURNING id", ("a",))
    results = await database.write(partial(run, insert, insert))
    assert [result[0]["id"] for result in results] == [1, 2]
    await database.write(partial(run, Statement("DELETE FROM numbered")))
    (again,) = await database.write(partial(run, insert))
    assert again[0]["id"] == 3  # a number is never given twice
