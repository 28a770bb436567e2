"""The clean-up deletes in bites, in every room: others write in between, however much is over."""

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
ALL = [pytest.param(one, id=re.findall(r"FROM (\w+)", one(NOW).sql)[0]) for one in sweepers_of(ROOMS)]


def fill(table: str, columns: str, values: str, count: int) -> Batch[None]:
    numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
    yield Statement(f"INSERT INTO {table} ({columns}) {numbers} SELECT {values} FROM n", (count,))


class Witness:
    """A database that notes what each write deleted, and what others wrote."""

    def __init__(self, database: Database) -> None:
        self.database, self.dialect = database, database.dialect
        self.seen: list[object] = []

    async def write(self, batch: Callable[[], Batch[Any]]) -> Any:
        value = await self.database.write(batch)
        self.seen.append(value)
        return value

    async def meanwhile(self, done: asyncio.Event) -> None:
        number = 0
        while not done.is_set():
            number += 1
            name = f"other {number}"
            await self.database.write(lambda name=name: run([insert_counter(name)]))  # type: ignore[misc]
            self.seen.append(name)


def insert_counter(name: str) -> Statement:
    return Statement("INSERT INTO counter (name, value) VALUES (?, 1)", (name,))


async def test_others_write_between_two_bites(database: Database) -> None:
    values = "'t', CAST(CAST(i AS TEXT) AS {}), '{{}}', i".format(
        "BYTEA" if database.dialect == "postgresql" else "BLOB"
    )
    await database.write(partial(fill, "single_use", "namespace, hash, body, expires", values, MANY))
    witness, done = Witness(database), asyncio.Event()
    other = asyncio.create_task(witness.meanwhile(done))
    await clean_expired(witness, [partial(expired, "single_use", "namespace, hash")]).handler({}, now=NOW)  # type: ignore[arg-type]
    done.set()
    await other
    bites = [one for one in witness.seen if isinstance(one, int)]
    assert bites == [BITE] * 3 + [7]
    first, last = witness.seen.index(BITE), len(witness.seen) - 1 - witness.seen[::-1].index(7)
    assert any(isinstance(one, str) for one in witness.seen[first:last]), "nobody else came to write"
    assert (await database.fetch("SELECT count(*) AS n FROM single_use"))[0]["n"] == 0


@pytest.mark.parametrize("sweeper", ALL)
async def test_every_room_deletes_a_bite_by_way_of_an_index(database: Database, sweeper: Sweeper) -> None:
    statement = sweeper(NOW)
    assert f"LIMIT {BITE}" in statement.sql
    table = re.findall(r"FROM (\w+)", statement.sql)[0]
    plan = await explain(database, statement.sql, *statement.parameters)
    if table != "access_descent":  # it has a row for each federated token, and no time of its own
        assert re.search(rf"{table}_(expires|finished)", plan), plan
    scanned = [line for line in plan.splitlines() if re.search(rf"(SCAN|Seq Scan on) {table}\b", line)]
    assert [line for line in scanned if "INDEX" not in line] == [] or table == "access_descent", plan


async def test_what_is_prolonged_meanwhile_stays(database: Database) -> None:
    await database.write(lambda: run([*(expired("single_use", "namespace, hash", NOW) for _ in range(2))]))
    sql = expired("grant_rate", "key", NOW).sql
    assert sql.count("expires <= ?") == 2, "the condition is asked of the row as it is when its turn comes"


async def test_sessions_end_a_few_at_a_time(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    left = list(range(AT_ONCE * 2 + 1))
    sizes = []

    async def some(_database: Database, _now: int, *, most: int) -> list[bytes]:
        taken, left[:] = left[:most], left[most:]
        return [bytes([one]) for one in taken]

    async def write(batch: Any) -> int:
        sizes.append(len(batch.args[0]))
        return len(batch.args[0])

    monkeypatch.setattr("ostiary.sessions.repository.expired", some)
    monkeypatch.setattr(database, "write", write)
    assert await end_expired(database, [], NOW) == AT_ONCE * 2 + 1
    assert sizes == [AT_ONCE, AT_ONCE, 1]


async def test_bites_end_with_one_that_is_not_full() -> None:
    left = [5, 5, 3, 5]

    async def work() -> int:
        return left.pop(0)

    assert await in_bites(work, size=5) == 13
    assert left == [5]
