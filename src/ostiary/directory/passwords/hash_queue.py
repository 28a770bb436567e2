"""Whose password is hashed next: as many at once as there are cores, a short queue, and nobody fills it for others.

A part of the queue is kept for browsers that have signed in before, and they are served first (every fourth turn is
for the others all the same). Once the rest is half full, no network holds more than a share of it: so whoever sends
from many addresses of one network leaves room for those who do not.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import Final

from ostiary.directory.errors import Busy
from ostiary.record import dataclass

KEPT: Final = 4  # one of so many places is kept for known browsers
SHARE: Final = 8  # once the rest is half full, an address and each network around it may hold one of so many places
BROWSER_MOST: Final = 4  # places of one known browser
_FOURTH: Final = 4

Turn = asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who wants a password checked: `networks` are keys of the address, the narrowest first; `browser` one known."""

    networks: tuple[str, ...] = ()
    browser: str | None = None


OURSELVES: Final = Asker()
"""Commands, and whoever has been let in already."""


class HashQueue:
    """Turns at a number of workers, on one event loop."""

    def __init__(self, workers: int, places: int) -> None:
        self._workers = workers
        self._places = workers + places
        self._strangers = self._places - places // KEPT
        self._running = 0
        self._turns = 0
        self._held: Counter[str] = Counter()  # by network, by browser
        self._inside = 0
        self._inside_strangers = 0
        self._first: deque[Turn] = deque()
        self._later: deque[Turn] = deque()

    async def enter(self, asker: Asker) -> None:
        """Wait for a turn. Raises Busy. Whoever got one gives it back by `leave`."""
        self._admit(asker)
        if self._running < self._workers:
            self._running += 1
            return
        turn: Turn = asyncio.get_running_loop().create_future()
        (self._later if _is_stranger(asker) else self._first).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._next()
            self._count(asker, -1)
            raise

    def leave(self, asker: Asker) -> None:
        """Give the turn back."""
        self._count(asker, -1)
        self._next()

    def _admit(self, asker: Asker) -> None:
        stranger = _is_stranger(asker)
        # guard: A69 hashes wait in a bounded queue
        if self._inside >= self._places or (stranger and self._inside_strangers >= self._strangers):
            raise Busy
        if asker.browser is not None and self._held[asker.browser] >= BROWSER_MOST:
            raise Busy
        # guard: A74 one network does not fill the queue of passwords
        if stranger and self._inside_strangers * 2 >= self._strangers:
            share = max(1, self._strangers // SHARE)
            if any(self._held[network] >= share for network in asker.networks):
                raise Busy
        self._count(asker, 1)

    def _count(self, asker: Asker, by: int) -> None:
        self._inside += by
        if _is_stranger(asker):
            self._inside_strangers += by
        for key in (*asker.networks, *((asker.browser,) if asker.browser is not None else ())):
            self._held[key] += by
            if not self._held[key]:
                del self._held[key]

    def _next(self) -> None:
        self._turns += 1
        order = (self._later, self._first) if self._turns % _FOURTH == 0 else (self._first, self._later)
        for queue in order:
            while queue:
                turn = queue.popleft()
                if not turn.done():
                    turn.set_result(None)  # the place at a worker goes from hand to hand
                    return
        self._running -= 1


def _is_stranger(asker: Asker) -> bool:
    return asker.browser is None and bool(asker.networks)
