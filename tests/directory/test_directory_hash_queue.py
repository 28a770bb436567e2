"""A74: an attack from many addresses of one network cannot fill the password queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.directory.errors import Busy
from ostiary.directory.passwords import formats
from ostiary.directory.passwords.hash_queue import INTERNAL, MAX_OF_BROWSER, HashQueue, Requester
from ostiary.directory.passwords.pool import Passwords
from ostiary.web.addresses import address_keys


@pytest.fixture
async def quick(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Passwords]:
    monkeypatch.setattr(formats, "make", lambda _text, _salt: "made")
    pool = Passwords(workers=2)
    yield pool
    pool.close()


def requester(address: str, browser: str | None = None) -> Requester:
    return Requester(address_keys(address), browser)


async def attack(passwords: Passwords, stop: asyncio.Event) -> tuple[int, int]:
    """Send requests from changing networks of one /48, more than there are places, until `stop` is set."""
    hashed = refused = number = 0
    while not stop.is_set():
        requesters = [requester(f"2001:db8:1:{(number + one) % 65536:x}::1") for one in range(120)]
        number += 120
        results = await asyncio.gather(*(passwords.dummy(one) for one in requesters), return_exceptions=True)
        refused += sum(isinstance(one, Busy) for one in results)
        hashed += sum(one is None for one in results)
    return hashed, refused


@pytest.mark.parametrize("browser", [None, "a-known-one"])
async def test_a74_sign_ins_succeed_while_one_network_attacks(quick: Passwords, browser: str | None) -> None:
    stop = asyncio.Event()
    running = asyncio.ensure_future(attack(quick, stop))
    verified = 0
    for number in range(100):
        try:
            await quick.dummy(requester(f"192.0.2.{number}", browser))
        except Busy:
            continue
        verified += 1
    stop.set()
    hashed, refused = await running
    assert verified >= 99
    assert hashed
    assert refused > hashed


async def test_a74_places_are_reserved_for_known_browsers() -> None:
    queue = HashQueue(1, 64)
    attackers = [
        asyncio.ensure_future(queue.enter(requester(f"198.51.{one // 250}.{one % 250}"))) for one in range(200)
    ]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await queue.enter(requester("192.0.2.1"))
    known = asyncio.ensure_future(queue.enter(requester("192.0.2.1", "known")))
    await asyncio.sleep(0)
    queue.leave(requester("198.51.0.0"))
    await asyncio.wait_for(known, 60)  # served first
    for one in attackers:
        one.cancel()
    results = await asyncio.gather(*attackers, return_exceptions=True)
    assert sum(isinstance(one, Busy) for one in results) == 200 - (1 + 64 - 16)


async def test_a_known_browser_has_a_limited_number_of_places() -> None:
    queue = HashQueue(1, 64)
    tasks = [asyncio.ensure_future(queue.enter(requester("192.0.2.1", "known"))) for _ in range(20)]
    await asyncio.sleep(0)
    for one in tasks:
        one.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(one, Busy) for one in results) == 20 - MAX_OF_BROWSER


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.booleans()), max_size=60))
async def test_every_place_is_returned(moves: list[tuple[int, bool, bool]]) -> None:
    """After any sequence of requests and cancellations, all places are free and every request was served."""
    queue = HashQueue(2, 6)

    async def one(number: int, *, known: bool, cancelled: bool) -> None:
        by = requester(f"192.0.2.{number}", f"b{number}" if known else None)
        entering = asyncio.ensure_future(queue.enter(by))
        await asyncio.sleep(0)
        if cancelled:
            entering.cancel()
        try:
            await entering
        except (Busy, asyncio.CancelledError):
            return
        await asyncio.sleep(0)
        queue.leave(by)

    await asyncio.gather(*(one(number, known=known, cancelled=cancelled) for number, known, cancelled in moves))
    assert (queue._running, queue._inside, queue._inside_strangers, dict(queue._places_of)) == (0, 0, 0, {})
    await queue.enter(INTERNAL)
    queue.leave(INTERNAL)
