"""Counters and single-use values."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ostiary.store.counter import next_number
from ostiary.store.database import Batch, Database, Statement
from ostiary.store.hashing import new_token, token_hash
from ostiary.store.single_use import Consumed, Fresh, Purpose, Replayed, Unknown, consume, issue, peek, sweep, withdraw

CODE: Purpose[dict[str, str]] = Purpose("code")
NOW = 1_000


def one(statement: Statement) -> Callable[[], Batch[int]]:
    def batch() -> Batch[int]:
        return (yield statement).count

    return batch


async def put(database: Database, value: str, *, expires: int = NOW + 100, family: str | None = "family") -> bytes:
    hashed = token_hash(value)
    await database.write(one(issue(CODE, hashed, {"value": value}, expires=expires, family=family)))
    return hashed


async def use(database: Database, hashed: bytes, *, now: int = NOW, tombstone: bool = True) -> Consumed[dict[str, str]]:
    return await database.write(lambda: consume(CODE, hashed, now=now, tombstone=tombstone))


async def test_a_counter_counts_from_one(database: Database) -> None:
    numbers = await asyncio.gather(*(database.write(lambda: next_number("user")) for _ in range(20)))
    assert sorted(numbers) == list(range(1, 21))
    assert await database.write(lambda: next_number("provider")) == 1


async def test_of_fifty_attempts_one_is_fresh(database: Database) -> None:
    hashed = await put(database, "a")
    answers = await asyncio.gather(*(use(database, hashed) for _ in range(50)))
    assert [answer for answer in answers if isinstance(answer, Fresh)] == [Fresh({"value": "a"}, "family")]
    assert answers.count(Replayed("family")) == 49


async def test_without_tombstone_nothing_stays(database: Database) -> None:
    hashed = await put(database, "a")
    answers = await asyncio.gather(*(use(database, hashed, tombstone=False) for _ in range(50)))
    assert sum(isinstance(answer, Fresh) for answer in answers) == 1
    assert sum(isinstance(answer, Unknown) for answer in answers) == 49
    assert not await database.fetch("SELECT 1 AS one FROM single_use")


async def test_an_expired_value_is_unknown_and_so_is_its_tombstone(database: Database) -> None:
    hashed = await put(database, "a")
    assert await use(database, hashed, now=NOW + 100) == Unknown()
    assert isinstance(await use(database, hashed), Fresh)
    assert await use(database, hashed, now=NOW + 100) == Unknown()


async def test_namespaces_are_apart(database: Database) -> None:
    hashed = await put(database, "a")
    other: Purpose[dict[str, str]] = Purpose("link")
    assert await database.write(lambda: consume(other, hashed, now=NOW, tombstone=True)) == Unknown()


async def test_peek_does_not_use(database: Database) -> None:
    hashed = await put(database, "a")
    assert await database.read(lambda: peek(CODE, hashed, now=NOW)) == {"value": "a"}
    assert isinstance(await use(database, hashed), Fresh)
    assert await database.read(lambda: peek(CODE, hashed, now=NOW)) is None


async def test_a_purpose_loads_its_body(database: Database) -> None:
    hashed = await put(database, "a")
    loud: Purpose[str] = Purpose("code", lambda body: str(body["value"]).upper())
    assert await database.write(lambda: consume(loud, hashed, now=NOW, tombstone=True)) == Fresh("A", "family")


async def test_sweep_and_withdraw(database: Database) -> None:
    await put(database, "a", expires=NOW)
    await put(database, "b", family="one")
    await put(database, "c", family="two")
    assert await database.write(one(sweep(NOW))) == 1
    assert await database.write(one(withdraw(CODE, family="one"))) == 1
    assert len(await database.fetch("SELECT hash FROM single_use")) == 1


def test_tokens_are_long_and_differ() -> None:
    assert len({new_token() for _ in range(100)}) == 100
    assert len(new_token()) == 43
    assert len(new_token(128)) == 22
    assert token_hash("abc").hex().startswith("ba7816bf")
