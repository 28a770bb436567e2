"""The seats of a process: how many connections may be open, and which one ends when another comes.

Every accepted socket has a seat, also while its TLS hand-shake is under way, so that strangers cannot take the
descriptors that databases and logs need. Who waits for a client gives way to a newcomer: first the connection that has
waited longest for the rest of something (a hand-shake, a head, a body), then the one that has been idle longest. What
the program itself is working on keeps its seat. An address has a part of the seats, so that one cannot take all of
them; a trusted proxy speaks for many people and may take all. A few seats more are for the pages of health alone.
"""

from __future__ import annotations

import ipaddress
import logging
import resource
import time
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

SEATS_MOST: Final = 2_000  # connections of one process
SEATS_LEAST: Final = 64
HEALTH_SEATS: Final = 16  # more, for the pages of health
INSIDE_SEATS: Final = 64  # connections of the listener of metrics
FILES_KEPT: Final = 128  # descriptors left for databases, logs and the rest
ADDRESS_PART: Final = 10  # an address that is no trusted proxy has one in so many seats
ADDRESS_LEAST: Final = 32
SHAKING_PART: Final = 4  # one in so many seats may be in its hand-shake
SHORT: Final = 1.0  # seconds that everybody may wait before an idle connection is ended in place of theirs
TELL_SECONDS: Final = 60.0  # between two lines of the log about this
_NETWORK_BITS: Final = 64  # of an address of IPv6 that belong to whoever has it

log = logging.getLogger("ostiary.app")


class Holder(Protocol):
    """Who has a seat: a connection."""

    peer: str
    shaking: bool

    def give_way(self) -> None:
        """End, because another one came."""


def nobody(_address: str) -> bool:
    """Trust no proxy."""
    return False


class Seats:
    """The connections of a process, or of a part of it, by what they wait for."""

    def __init__(
        self,
        most: int = SEATS_MOST,
        *,
        trusts: Callable[[str], bool] = nobody,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`trusts` tells trusted proxies by their address; `clock` gives seconds."""
        self._most = most
        self._trusts = trusts
        self._clock = clock
        self._all: dict[Holder, None] = {}
        self._health: dict[Holder, bool] = {}  # those for pages of health alone; and whether they are worked for
        self._unfinished: dict[Holder, float] = {}  # and since when, the longest first
        self._idle: dict[Holder, None] = {}  # likewise
        self._of: dict[str, dict[Holder, None]] = {}  # by address, but for trusted proxies
        self._shaking: dict[Holder, None] = {}
        self._gave_way = self._refused = 0  # since the log was told
        self._told = -TELL_SECONDS

    def __len__(self) -> int:
        """How many are taken."""
        return len(self._all) + len(self._health)

    def take(self, newcomer: Holder) -> bool:
        """Give a seat, if need be that of another. False when everybody is being worked for."""
        address = "" if self._trusts(newcomer.peer) else owner(newcomer.peer)
        if address and not self._room_for(address):
            return self._refuse()
        if newcomer.shaking:
            # guard: A74 hand-shakes are counted
            if len(self._shaking) >= max(1, self._most // SHAKING_PART):
                self._end(next(iter(self._shaking)))
            self._shaking[newcomer] = None
        # guard: A69 connections are bounded, and who waits longest gives way
        if len(self._all) < self._most or self._make_room():
            self._all[newcomer] = None
            self._unfinished[newcomer] = self._clock()
        elif len(self._health) < HEALTH_SEATS or self._end_first(one for one, busy in self._health.items() if not busy):
            self._health[newcomer] = False
        else:
            self._shaking.pop(newcomer, None)
            return self._refuse()
        if address:
            self._of.setdefault(address, {})[newcomer] = None
        return True

    def may_ask_anything(self, holder: Holder) -> bool:
        """Tell whether the seat is one for every page; it becomes one where there is room by now."""
        if holder not in self._health:
            return True
        if len(self._all) >= self._most and not self._make_room():
            return False
        self._health.pop(holder, None)
        self._all[holder] = None
        return True

    def leave(self, holder: Holder) -> None:
        """Take back a seat."""
        for line in (self._all, self._idle, self._shaking):
            line.pop(holder, None)
        self._health.pop(holder, None)
        self._unfinished.pop(holder, None)
        address = owner(holder.peer)
        group = self._of.get(address)
        if group is not None:
            group.pop(holder, None)
            if not group:
                del self._of[address]

    def shaken(self, holder: Holder) -> None:
        """Note that the hand-shake is over."""
        self._shaking.pop(holder, None)

    def wait(self, holder: Holder) -> None:
        """Note that the rest of something is waited for. Who waits already keeps the place in the line."""
        self._idle.pop(holder, None)
        if holder in self._all and holder not in self._unfinished:
            self._unfinished[holder] = self._clock()
        elif holder in self._health:
            self._health[holder] = False

    def rest(self, holder: Holder) -> None:
        """Note that nothing is waited for but a next request."""
        self._unfinished.pop(holder, None)
        if holder in self._all:
            self._idle.setdefault(holder)
        elif holder in self._health:
            self._health[holder] = False

    def work(self, holder: Holder) -> None:
        """Note that the program has everything it needs to answer."""
        self._unfinished.pop(holder, None)
        self._idle.pop(holder, None)
        if holder in self._health:
            self._health[holder] = True

    def _make_room(self) -> bool:
        """End who waits and gives way first, of all. False when nobody waits."""
        longest = next(iter(self._unfinished.items()), None)
        if longest is not None and (self._clock() - longest[1] >= SHORT or not self._idle):
            self._end(longest[0])
            return True
        return self._end_first(self._idle)

    def _room_for(self, address: str) -> bool:
        """Tell whether an address may have one more; who waits there gives way to its own newcomer."""
        group = self._of.get(address, {})
        if len(group) < max(ADDRESS_LEAST, self._most // ADDRESS_PART):
            return True
        lines: tuple[Container[Holder], ...] = (self._unfinished, self._idle)
        return any(self._end_first(one for one in group if one in line) for line in lines)

    def _end_first(self, line: Iterable[Holder]) -> bool:
        first = next(iter(line), None)
        if first is not None:
            self._end(first)
        return first is not None

    def _end(self, holder: Holder) -> None:
        self.leave(holder)
        self._gave_way += 1
        self._tell()
        holder.give_way()

    def _refuse(self) -> bool:
        self._refused += 1
        self._tell()
        return False

    def _tell(self) -> None:
        """Say in the log that seats are short, not more often than once a minute."""
        now = self._clock()
        if now - self._told < TELL_SECONDS:
            return
        self._told = now
        log.warning(
            "connections are short: %d open, %d ended for others and %d refused since this was last said; "
            "at most %d, and %d from one address that is no trusted proxy",
            len(self),
            self._gave_way,
            self._refused,
            self._most,
            max(ADDRESS_LEAST, self._most // ADDRESS_PART),
        )
        self._gave_way = self._refused = 0


def owner(peer: str) -> str:
    """Return whose connections are counted together: those of an address, of IPv6 those of a /64."""
    if ":" not in peer:
        return peer
    try:
        address = ipaddress.IPv6Address(peer.partition("%")[0])
    except ValueError:
        return peer
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{int(address) >> (128 - _NETWORK_BITS):x}"


def room() -> int:
    """Return how many connections the process can hold open; the soft limit of files is raised as far as it may be."""
    apart = FILES_KEPT + HEALTH_SEATS + INSIDE_SEATS + HEALTH_SEATS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = SEATS_MOST + apart
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return SEATS_MOST
    return max(SEATS_LEAST, min(SEATS_MOST, soft - apart))
