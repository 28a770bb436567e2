"""The clean-up deletes in batches, in every room, so that other writes run in between."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from support.explain import explain

from ostiary.app.rooms import ROOMS, sweepers_of
from ostiary.room import Sweeper
from ostiary.sessions.expiry import AT_ONCE, end_expired
from ostiary.store.database import Batch, Database, Statement
from ostiary.store.sweeping import BITE, expired, in_bites
from ostiary.store.workspace.commit import run
from ostiary.tasks.cleanup import clean_expired

NOW = 1_700_000_000_000_000
MANY = 3 * BITE + 7
WITHOUT_EXPIRY = {"access_descent", "signon_break_glass"}
"""Tables with few rows: one for each derived token, or for each code that an administrator printed."""
ALL = [pytest.param(one, id=re.findall(r"FROM (\w+)", one(NOW).sql)[0]) for one in sweepers_of(ROOMS)]


def fill(table: str, columns: str, values: str, count: int) -> Batch[None]:
    numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
    yield Statement(f"INSERT INTO {table} ({columns}) {numbers} SELECT {values} FROM n", (count,))


class RecordingDatabase:
    """A database that records the number of deleted rows of each write, and the concurrent writes."""

    def __init__(self, database: Database) -> None:
        self.database, self.dialect = database, database.dialect
        self.seen: list[object] = []

    async def write(self, batch: Callable[[], Batch[Any]]) -> Any:
        value = await self.database.write(batch)
        self.seen.append(value)
        return value

    async def meanwhile(self, cleaned: asyncio.Event) -> None:
        number = 0
        while not cleaned.is_set():
            number += 1
            name = f"other {number}"
            await self.database.write(lambda name=name: run([insert_counter(name)]))  # type: ignore[misc]
            self.seen.append(name)


def insert_counter(name: str) -> Statement:
    return Statement("INSERT INTO counter (name, value) VALUES (?, 1)", (name,))


async def test_other_writes_run_between_two_batches(database: Database) -> None:
    values = "'t', CAST(CAST(i AS TEXT) AS {}), '{{}}', i".format(
        "BYTEA" if database.dialect == "postgresql" else "BLOB"
    )
    await database.write(partial(fill, "single_use", "namespace, hash, body, expires", values, MANY))
    recorder, cleaned = RecordingDatabase(database), asyncio.Event()
    other = asyncio.create_task(recorder.meanwhile(cleaned))
    await clean_expired(recorder, [partial(expired, "single_use", "namespace, hash")]).handler({}, now=NOW)  # type: ignore[arg-type]
    cleaned.set()
    await other
    bites = [one for one in recorder.seen if isinstance(one, int)]
    assert bites == [BITE] * 3 + [7]
    first, last = recorder.seen.index(BITE), len(recorder.seen) - 1 - recorder.seen[::-1].index(7)
    assert any(isinstance(one, str) for one in recorder.seen[first:last]), "no concurrent write in between"
    assert (await database.fetch("SELECT count(*) AS n FROM single_use"))[0]["n"] == 0


@pytest.mark.parametrize("sweeper", ALL)
async def test_every_sweep_uses_an_index(database: Database, sweeper: Sweeper) -> None:
    statement = sweeper(NOW)
    assert f"LIMIT {BITE}" in statement.sql
    table = re.findall(r"FROM (\w+)", statement.sql)[0]
    plan = await explain(database, statement.sql, *statement.parameters)
    if table not in WITHOUT_EXPIRY:
        assert re.search(rf"{table}_(expires|finished)", plan), plan
    scanned = [line for line in plan.splitlines() if re.search(rf"(SCAN|Seq Scan on) {table}\b", line)]
    assert [line for line in scanned if "INDEX" not in line] == [] or table in WITHOUT_EXPIRY, plan


async def test_a_row_extended_meanwhile_is_kept(database: Database) -> None:
    await database.write(lambda: run([*(expired("single_use", "namespace, hash", NOW) for _ in range(2))]))
    sql = expired("grant_rate", "key", NOW).sql
    assert sql.count("expires <= ?") == 2, "the condition holds for the row at the time of its deletion"


async def test_expired_sessions_end_in_batches(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    remaining = list(range(AT_ONCE * 2 + 1))
    sizes = []

    async def some(_database: Database, _now: int, *, most: int) -> list[bytes]:
        batch, remaining[:] = remaining[:most], remaining[most:]
        return [bytes([one]) for one in batch]

    async def write(batch: Any) -> int:
        sizes.append(len(batch.args[0]))
        return len(batch.args[0])

    monkeypatch.setattr("ostiary.sessions.repository.expired_keys", some)
    monkeypatch.setattr(database, "write", write)
    assert await end_expired(database, [], NOW) == AT_ONCE * 2 + 1
    assert sizes == [AT_ONCE, AT_ONCE, 1]


async def test_batches_end_with_an_incomplete_one() -> None:
    counts = [5, 5, 3, 5]

    async def work() -> int:
        return counts.pop(0)

    assert await in_bites(work, size=5) == 13
    assert counts == [5]
