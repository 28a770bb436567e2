"""The queue of password hashes: one per core at a time, bounded, and fair, so that nobody can block others.

A part of the queue is reserved for known browsers, which have signed in before. They are served first, except at every
fourth turn. Once the rest is half full, a network may only have a share of it, so that many addresses of one network
leave places for others.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import Final

from ostiary.directory.errors import Busy
from ostiary.record import dataclass

RESERVED: Final = 4  # one in so many places is reserved for known browsers
SHARE: Final = 8  # once the rest is half full, an address and each of its networks may have one in so many places
MAX_OF_BROWSER: Final = 4  # places of one known browser
_FOURTH: Final = 4

Turn = asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class Requester:
    """The requester of a verification. `networks` are the keys of its address, narrowest first.

    `browser` is the key of a known browser.
    """

    networks: tuple[str, ...] = ()
    browser: str | None = None


INTERNAL: Final = Requester()
"""The requester of commands, and of authenticated users."""


class HashQueue:
    """A fair queue for a number of workers, on one event loop."""

    def __init__(self, workers: int, places: int) -> None:
        self._workers = workers
        self._places = workers + places
        self._strangers = self._places - places // RESERVED
        self._running = 0
        self._turns = 0
        self._places_of: Counter[str] = Counter()  # by network and by browser
        self._inside = 0
        self._inside_strangers = 0
        self._first: deque[Turn] = deque()
        self._later: deque[Turn] = deque()

    @property
    def running(self) -> int:
        """The number of requesters with a turn."""
        return self._running

    @property
    def waiting(self) -> int:
        """The number of requesters that wait for a turn."""
        return sum(not turn.done() for turn in (*self._first, *self._later))

    async def enter(self, requester: Requester) -> None:
        """Wait for a turn, which `leave` returns. Raises Busy."""
        self._admit(requester)
        if self._running < self._workers:
            self._running += 1
            return
        turn: Turn = asyncio.get_running_loop().create_future()
        (self._later if _is_stranger(requester) else self._first).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._next()
            self._count(requester, -1)
            raise

    def leave(self, requester: Requester) -> None:
        """Return the turn."""
        self._count(requester, -1)
        self._next()

    def _admit(self, requester: Requester) -> None:
        stranger = _is_stranger(requester)
        # guard: A69 the password queue is bounded
        if self._inside >= self._places or (stranger and self._inside_strangers >= self._strangers):
            raise Busy
        if requester.browser is not None and self._places_of[requester.browser] >= MAX_OF_BROWSER:
            raise Busy
        # guard: A74 one network cannot fill the password queue
        if stranger and self._inside_strangers * 2 >= self._strangers:
            share = max(1, self._strangers // SHARE)
            if any(self._places_of[network] >= share for network in requester.networks):
                raise Busy
        self._count(requester, 1)

    def _count(self, requester: Requester, by: int) -> None:
        self._inside += by
        if _is_stranger(requester):
            self._inside_strangers += by
        for key in (*requester.networks, *((requester.browser,) if requester.browser is not None else ())):
            self._places_of[key] += by
            if not self._places_of[key]:
                del self._places_of[key]

    def _next(self) -> None:
        self._turns += 1
        order = (self._later, self._first) if self._turns % _FOURTH == 0 else (self._first, self._later)
        for queue in order:
            while queue:
                turn = queue.popleft()
                if not turn.done():
                    turn.set_result(None)  # this turn takes over the worker
                    return
        self._running -= 1


def _is_stranger(requester: Requester) -> bool:
    return requester.browser is None and bool(requester.networks)
