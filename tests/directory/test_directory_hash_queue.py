"""A74: whoever fills the queue of passwords from many addresses leaves room for the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.directory.errors import Busy
from ostiary.directory.passwords import formats
from ostiary.directory.passwords.hash_queue import BROWSER_MOST, INTERNAL, HashQueue, Requester
from ostiary.directory.passwords.pool import Passwords
from ostiary.web.addresses import address_keys


@pytest.fixture
async def quick(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Passwords]:
    monkeypatch.setattr(formats, "make", lambda _text, _salt: "made")
    made = Passwords(workers=2)
    yield made
    made.close()


def asker(address: str, browser: str | None = None) -> Requester:
    return Requester(address_keys(address), browser)


async def attack(passwords: Passwords, stop: asyncio.Event) -> tuple[int, int]:
    """Ask from changing networks of one /48, always more than there are places, until told to stop."""
    judged = refused = number = 0
    while not stop.is_set():
        askers = [asker(f"2001:db8:1:{(number + one) % 65536:x}::1") for one in range(120)]
        number += 120
        results = await asyncio.gather(*(passwords.dummy(one) for one in askers), return_exceptions=True)
        refused += sum(isinstance(one, Busy) for one in results)
        judged += sum(one is None for one in results)
    return judged, refused


@pytest.mark.parametrize("browser", [None, "a-known-one"])
async def test_a74_honest_sign_ins_are_answered_while_one_network_attacks(
    quick: Passwords, browser: str | None
) -> None:
    stop = asyncio.Event()
    running = asyncio.ensure_future(attack(quick, stop))
    answered = 0
    for number in range(100):
        try:
            await quick.dummy(asker(f"192.0.2.{number}", browser))
        except Busy:
            continue
        answered += 1
    stop.set()
    judged, refused = await running
    assert answered >= 99
    assert judged
    assert refused > judged, "it was an attack"


async def test_a74_a_place_is_kept_for_known_browsers_whoever_attacks() -> None:
    queue = HashQueue(1, 64)
    taken = [asyncio.ensure_future(queue.enter(asker(f"198.51.{one // 250}.{one % 250}"))) for one in range(200)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await queue.enter(asker("192.0.2.1"))
    known = asyncio.ensure_future(queue.enter(asker("192.0.2.1", "known")))
    await asyncio.sleep(0)
    queue.leave(asker("198.51.0.0"))
    await asyncio.wait_for(known, 60)  # first in line, whoever came before
    for one in taken:
        one.cancel()
    results = await asyncio.gather(*taken, return_exceptions=True)
    assert sum(isinstance(one, Busy) for one in results) == 200 - (1 + 64 - 16)


async def test_a_known_browser_holds_a_few_places_only() -> None:
    queue = HashQueue(1, 64)
    tasks = [asyncio.ensure_future(queue.enter(asker("192.0.2.1", "known"))) for _ in range(20)]
    await asyncio.sleep(0)
    for one in tasks:
        one.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(one, Busy) for one in results) == 20 - BROWSER_MOST


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.booleans()), max_size=60))
async def test_every_place_comes_back(moves: list[tuple[int, bool, bool]]) -> None:
    """Whoever comes, leaves or gives up: at the end all places are free and nobody was forgotten."""
    queue = HashQueue(2, 6)

    async def one(number: int, *, known: bool, gives_up: bool) -> None:
        who = asker(f"192.0.2.{number}", f"b{number}" if known else None)
        entering = asyncio.ensure_future(queue.enter(who))
        await asyncio.sleep(0)
        if gives_up:
            entering.cancel()
        try:
            await entering
        except (Busy, asyncio.CancelledError):
            return
        await asyncio.sleep(0)
        queue.leave(who)

    await asyncio.gather(*(one(number, known=known, gives_up=gives_up) for number, known, gives_up in moves))
    assert (queue._running, queue._inside, queue._inside_strangers, dict(queue._held)) == (0, 0, 0, {})
    await queue.enter(INTERNAL)
    queue.leave(INTERNAL)
