from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from support.people import People

from ostiary.directory.accounts import Accounts
from ostiary.directory.attempts import (
    ACCOUNT_LIMIT,
    ADDRESS_LIMIT,
    MAX_DELAY,
    SECOND,
    SKEW,
    WINDOW,
    Account,
    Attempts,
    known_address,
    sweep,
)
from ostiary.directory.errors import Throttled
from ostiary.directory.passwords.pool import Passwords
from ostiary.directory.users import Users
from ostiary.seal import Secret
from ostiary.store.database import Database
from ostiary.store.workspace.commit import run
from ostiary.web.addresses import address_key, address_keys, is_this_machine

NOW = 1_700_000_000_000_000
HOUR = 3600 * SECOND
JO = Account(7, "jo")
HERE = "192.0.2.1"


@pytest.fixture
def attempts(database: Database) -> Attempts:
    return Attempts(database)


async def wait_of(
    attempts: Attempts, account: Account = JO, address: str = HERE, now: int = NOW, *, browser: str | None = None
) -> int | None:
    """Make a failed attempt. Returns its wait in seconds if it was throttled."""
    try:
        await attempts.begin(account, address, now, browser=browser)
    except Throttled as error:
        return error.retry_after
    return None


async def succeed(attempts: Attempts, database: Database, account: Account, address: str, now: int = NOW) -> None:
    attempt = await attempts.begin(account, address, now)
    await database.write(lambda: run(attempts.succeeded(attempt)))


def other(number: int) -> str:
    return f"198.51.{number // 250}.{number % 250 + 1}"


async def test_a_name_waits_after_ten_failures_and_longer_each_time(attempts: Attempts) -> None:
    for number in range(ACCOUNT_LIMIT):
        assert await wait_of(attempts, address=other(number)) is None
    now = NOW
    for seconds in (30, 60, 120, 240, 480, 900, 900):
        assert await wait_of(attempts, now=now) == seconds
        assert await wait_of(attempts, now=now + seconds * SECOND - 1) == 1
        now += seconds * SECOND
        assert await wait_of(attempts, now=now) is None


async def test_a63_spellings_of_a_name_are_counted_together(attempts: Attempts) -> None:
    for typed in ["jo", "JO", "Jo", "jO", "ｊｏ"] * 2:
        assert await wait_of(attempts, Account(7, typed)) is None
    assert await wait_of(attempts, Account(7, "jo"), other(1)) == 30


async def test_a42_a_wait_reveals_neither_users_nor_their_other_names(attempts: Attempts, database: Database) -> None:
    for typed in ["nobody", "NOBODY"] * 5:
        assert await wait_of(attempts, Account(None, typed)) is None
        assert await wait_of(attempts, Account(7, "jo")) is None
    assert await wait_of(attempts, Account(None, "Nobody"), other(1)) == 30
    assert await wait_of(attempts, Account(7, "jo"), other(1)) == 30
    assert await wait_of(attempts, Account(7, "jo@example.org"), other(1)) is None
    rows = await database.fetch("SELECT key FROM directory_attempt")
    assert all("nobody" not in row["key"] and "jo" not in row["key"] for row in rows)


async def test_an_address_waits_after_sixty_failures(attempts: Attempts) -> None:
    for number in range(ADDRESS_LIMIT):
        assert await wait_of(attempts, Account(None, f"n{number}")) is None
    assert await wait_of(attempts, Account(None, "fresh")) == 30
    assert await wait_of(attempts, Account(None, "fresh"), "192.0.2.2") is None


@pytest.mark.parametrize(
    ("address", "most"),
    [
        (lambda number: f"2001:db8:1:2::{number + 1:x}", ADDRESS_LIMIT),
        (lambda number: f"2001:db8:1:{number % 256:x}::1", 2 * ADDRESS_LIMIT),
        (lambda number: f"2001:db8:1:{number * 256:x}::1", 4 * ADDRESS_LIMIT),
        (lambda number: f"2001:db8:1:{number % 16 * 4096 + number:x}::1", 4 * ADDRESS_LIMIT),
    ],
)
async def test_a74_wider_ipv6_networks_are_counted(
    attempts: Attempts, address: Callable[[int], str], most: int
) -> None:
    waits = [await wait_of(attempts, Account(None, f"n{number}"), address(number)) for number in range(most + 5)]
    assert waits == [None] * most + [30] * 5
    assert await wait_of(attempts, Account(None, "fresh"), "2001:db8:2::1") is None


async def test_a_success_resets_the_name_and_subtracts_one_attempt_of_the_address(
    attempts: Attempts, database: Database
) -> None:
    for _ in range(ACCOUNT_LIMIT - 1):
        await wait_of(attempts)
    for _ in range(3 * ADDRESS_LIMIT):
        await succeed(attempts, database, JO, HERE)
    for number in range(ADDRESS_LIMIT - ACCOUNT_LIMIT + 1):
        assert await wait_of(attempts, Account(None, f"n{number}")) is None
    assert await wait_of(attempts, JO) == 30, "earlier failures of the address stay counted"
    assert await wait_of(attempts, JO, other(1)) is None


async def test_old_failures_expire(database: Database, attempts: Attempts) -> None:
    for _ in range(ACCOUNT_LIMIT - 1):
        await wait_of(attempts)
    later = NOW + WINDOW
    assert await wait_of(attempts, now=later) is None
    assert await wait_of(attempts, now=later) is None
    await database.write(lambda: run([sweep(later + WINDOW)]))
    assert await database.fetch("SELECT key FROM directory_attempt") == []


async def test_a34_ten_of_concurrent_guesses_are_verified(attempts: Attempts) -> None:
    waits = await asyncio.gather(*(wait_of(attempts, address=other(number)) for number in range(59)))
    assert list(waits).count(None) == ACCOUNT_LIMIT
    assert all(one in {None, 1, 30} for one in waits)


async def test_a_cancelled_attempt_is_subtracted(attempts: Attempts) -> None:
    for _ in range(3 * ADDRESS_LIMIT):
        await attempts.cancel(await attempts.begin(JO, HERE, NOW))
    assert await wait_of(attempts) is None


async def test_strangers_do_not_lock_out_a_known_browser_or_address(attempts: Attempts, database: Database) -> None:
    await database.write(lambda: run([known_address(JO, HERE, NOW)]))
    for number in range(4 * ACCOUNT_LIMIT):
        await wait_of(attempts, address=other(number))
    assert await wait_of(attempts, address=other(999)) == 30
    await succeed(attempts, database, JO, HERE)
    attempt = await attempts.begin(JO, other(998), NOW, browser="a-browser")
    await database.write(lambda: run(attempts.succeeded(attempt)))
    for address, browser in ((HERE, None), (other(997), "a-browser")):
        for _ in range(ACCOUNT_LIMIT):
            assert await wait_of(attempts, address=address, browser=browser) is None
        assert await wait_of(attempts, address=address, browser=browser) == 30, "an allowance, not a free pass"
    assert await wait_of(attempts, Account(8, "other"), HERE) is None, "known to one account, unknown to the others"


async def test_a_new_password_ends_the_throttles(
    attempts: Attempts, database: Database, people: People, users: Users, passwords: Passwords
) -> None:
    jo = await people.user("jo", email="jo@example.org")
    names = [Account(jo.pk, typed, kind) for typed in ("JO", jo.email) for kind in ("name", "app")]
    await database.write(lambda: run([known_address(names[0], HERE, NOW)]))
    for number in range(ACCOUNT_LIMIT):
        for account in names:
            await wait_of(attempts, account, other(number))
        await wait_of(attempts, names[0], HERE)
        await wait_of(attempts, Account(None, "nobody"), other(number))
    assert [await wait_of(attempts, one, other(99)) for one in names] == [30] * 4
    assert await wait_of(attempts, names[0], HERE) == 30
    await Accounts(database, users, passwords).set_password("jo", Secret("another horse battery"), now=NOW)
    assert [await wait_of(attempts, one, other(98)) for one in names] == [None] * 4
    assert await wait_of(attempts, names[0], HERE) is None
    assert await wait_of(attempts, Account(None, "nobody"), other(98)) == 30


@pytest.mark.parametrize("ahead", [HOUR, 24 * HOUR, 400 * 24 * HOUR])
async def test_a_corrected_clock_leaves_nobody_locked_out(attempts: Attempts, ahead: int) -> None:
    for number in range(ADDRESS_LIMIT + 20):
        await wait_of(attempts, Account(None, f"n{number % 3}"), now=NOW + ahead)
    assert await wait_of(attempts, Account(None, "n0"), now=NOW + ahead) is not None
    for number in range(3):
        assert await wait_of(attempts, Account(None, f"n{number}")) is None


async def test_a34_failures_of_a_wrong_clock_expire(attempts: Attempts) -> None:
    for number in range(ACCOUNT_LIMIT - 1):
        assert await wait_of(attempts, address=other(number), now=NOW + 24 * HOUR) is None
    for number in range(ACCOUNT_LIMIT):
        assert await wait_of(attempts, address=other(100 + number)) is None, "counted from the beginning"
    assert await wait_of(attempts, address=other(200)) is not None


async def test_failures_under_skewed_clocks_are_counted_together(attempts: Attempts) -> None:
    for number in range(ACCOUNT_LIMIT):
        assert await wait_of(attempts, address=other(number), now=NOW + (number % 2) * SKEW // 2) is None
    assert await wait_of(attempts, address=other(99), now=NOW) is not None
    assert MAX_DELAY > SKEW


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


def test_wider_networks() -> None:
    assert address_keys("2001:db8:1:abcd::9") == (
        "address:2001:db8:1:abcd::/64",
        "address:2001:db8:1:ab00::/56",
        "address:2001:db8:1::/48",
    )
    assert address_keys("::ffff:192.0.2.1") == ("address:192.0.2.1",)
    assert all(map(is_this_machine, ("::ffff:127.0.0.1", "::1", "127.0.0.9")))
    assert not any(map(is_this_machine, ("::ffff:192.0.2.1", "x", "")))


def test_a_malformed_address_is_hashed() -> None:
    assert address_key("unix:\ud800").startswith("address:")
    assert len(address_key("x" * 10_000)) < 100
