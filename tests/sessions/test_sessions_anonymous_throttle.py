"""The throttle of anonymous sessions by client address."""

from __future__ import annotations

import pytest

from ostiary.sessions import anonymous_throttle
from ostiary.sessions.anonymous_throttle import BURST, EVERY, MAX_ADDRESSES, AnonymousThrottle
from ostiary.sessions.cookie import CookieSettings
from ostiary.sessions.sessions import Sessions
from ostiary.store.database import Database
from ostiary.web.errors import TooManyRequests
from ostiary.web.request import Request

NOW = 1_700_000_000_000_000
SECOND = 1_000_000


def admitted_of(throttle: AnonymousThrottle, number: int, address: str = "192.0.2.1", now: int = NOW) -> int:
    """Return how many of a number of sessions are admitted."""
    admitted = 0
    for _ in range(number):
        try:
            throttle.admit(address, now)
        except TooManyRequests:
            continue
        admitted += 1
    return admitted


def test_a69_a_burst_and_then_one_at_a_time() -> None:
    throttle = AnonymousThrottle()
    assert admitted_of(throttle, BURST + 50) == BURST
    with pytest.raises(TooManyRequests) as caught:
        throttle.admit("192.0.2.1", NOW)
    assert caught.value.status == 429
    assert dict(caught.value.headers) == {"retry-after": "1"}
    assert admitted_of(throttle, 50, now=NOW + 3 * EVERY) == 3
    assert admitted_of(throttle, BURST + 50, now=NOW + 10**12) == BURST
    assert admitted_of(throttle, 50, "192.0.2.2") == 50, "other addresses are not affected"


def test_an_ipv6_network_counts_as_one_address() -> None:
    throttle = AnonymousThrottle()
    assert admitted_of(throttle, BURST, "2001:db8::1") == BURST
    assert admitted_of(throttle, 5, "2001:db8::2") == 0
    assert admitted_of(throttle, 5, "2001:db8:0:1::2") == 5


def test_this_machine_is_not_counted() -> None:
    throttle = AnonymousThrottle()
    assert admitted_of(throttle, BURST + 5, "127.0.0.1") + admitted_of(throttle, BURST + 5, "::1") == 2 * BURST + 10


def test_a68_the_number_of_tracked_addresses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anonymous_throttle, "MAX_ADDRESSES", 100)
    throttle = AnonymousThrottle()
    for number in range(300):
        throttle.admit(f"192.0.2.{number % 250}x{number}", NOW)
    assert len(throttle._due) == 100
    assert MAX_ADDRESSES > 1_000


async def test_a69_a_refused_session_is_not_written(sqlite_database: Database) -> None:
    sessions = Sessions(sqlite_database, CookieSettings())
    assert admitted_of(sessions._throttle, BURST) == BURST
    with pytest.raises(TooManyRequests):
        await sessions.ensure(Request(client="192.0.2.1"), NOW)
    assert not await sqlite_database.fetch("SELECT 1 FROM session")
    await sessions.ensure(Request(client="192.0.2.9"), NOW)
