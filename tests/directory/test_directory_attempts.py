from __future__ import annotations

import asyncio

import pytest

from ostiary.directory.attempts import (
    ACCOUNT_LIMIT,
    ADDRESS_LIMIT,
    SECOND,
    WINDOW,
    Account,
    Attempts,
    sweep,
)
from ostiary.store.commit import run
from ostiary.store.database import Database
from ostiary.web.addresses import address_key

NOW = 1_700_000_000_000_000
JO = Account(7, "jo")


@pytest.fixture
def attempts(database: Database) -> Attempts:
    return Attempts(database)


async def fail(
    database: Database, attempts: Attempts, *, account: Account = JO, address: str = "192.0.2.1", now: int = NOW
) -> None:
    await database.write(lambda: run(attempts.failed(account, address, now)))


async def test_an_account_waits_after_ten_failures_and_longer_each_time(database: Database, attempts: Attempts) -> None:
    for number in range(ACCOUNT_LIMIT):
        assert await attempts.check(JO, "192.0.2.1", NOW) is None
        await fail(database, attempts, address=f"192.0.2.{number}")
    now = NOW
    for seconds in (30, 60, 120, 240, 480, 900, 900):
        assert await attempts.check(JO, "198.51.100.1", now) == seconds
        assert await attempts.check(JO, "198.51.100.1", now + seconds * SECOND - 1) == 1
        now += seconds * SECOND
        assert await attempts.check(JO, "198.51.100.1", now) is None
        await fail(database, attempts, now=now)


async def test_a63_every_spelling_of_an_account_counts_together(database: Database, attempts: Attempts) -> None:
    for typed in ["jo", "JO", "jo@example.org", "JO@EXAMPLE.ORG", "ｊｏ"] * 2:
        await fail(database, attempts, account=Account(7, typed))
    assert await attempts.check(Account(7, "other spelling"), "198.51.100.1", NOW) == 30
    assert await attempts.check(Account(8, "jo"), "198.51.100.1", NOW) is None


async def test_a42_unknown_names_wait_as_known_ones_do(database: Database, attempts: Attempts) -> None:
    for typed in ["nobody", "NOBODY"] * 5:
        await fail(database, attempts, account=Account(None, typed))
    assert await attempts.check(Account(None, "Nobody"), "198.51.100.1", NOW) == 30
    rows = await database.fetch("SELECT key FROM directory_attempt")
    assert all("nobody" not in row["key"] for row in rows)


async def test_an_address_waits_after_sixty_failures(database: Database, attempts: Attempts) -> None:
    for number in range(ADDRESS_LIMIT):
        await fail(database, attempts, account=Account(None, f"n{number}"))
    assert await attempts.check(Account(None, "fresh"), "192.0.2.1", NOW) == 30
    assert await attempts.check(Account(None, "fresh"), "192.0.2.2", NOW) is None


async def test_success_forgives_the_account_and_not_the_address(database: Database, attempts: Attempts) -> None:
    for _ in range(ADDRESS_LIMIT):
        await fail(database, attempts)
    assert await attempts.check(JO, "198.51.100.1", NOW) is not None
    await database.write(lambda: run(attempts.succeeded(JO, "192.0.2.1", NOW)))
    assert await attempts.check(JO, "198.51.100.1", NOW) is None
    assert await attempts.check(JO, "192.0.2.1", NOW) is not None


async def test_old_failures_are_forgotten(database: Database, attempts: Attempts) -> None:
    for _ in range(ACCOUNT_LIMIT - 1):
        await fail(database, attempts)
    later = NOW + WINDOW
    await fail(database, attempts, now=later)
    assert await attempts.check(JO, "198.51.100.1", later) is None
    await database.write(lambda: run([sweep(later + WINDOW)]))
    assert await database.fetch("SELECT key FROM directory_attempt") == []


async def test_parallel_failures_are_all_counted(database: Database, attempts: Attempts) -> None:
    await asyncio.gather(*(fail(database, attempts) for _ in range(50)))
    rows = await database.fetch("SELECT failures FROM directory_attempt WHERE key = ?", JO.key)
    assert rows[0]["failures"] == 50


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "address:192.0.2.1"),
        ("::ffff:192.0.2.1", "address:192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "address:2001:db8:1:2::/64"),
        ("2001:DB8:1:2::9", "address:2001:db8:1:2::/64"),
        ("fe80::1%eth0", "address:fe80::/64"),
    ],
)
def test_address_keys(address: str, key: str) -> None:
    assert address_key(address) == key


def test_what_is_no_address_is_kept_as_a_hash() -> None:
    assert address_key("unix:\ud800").startswith("address:")
    assert len(address_key("x" * 10_000)) < 100
