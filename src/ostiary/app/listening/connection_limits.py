"""Connection limits of a process, and the choice of the connection that closes for a new one.

Each accepted socket counts, also during its TLS handshake, so that clients cannot exhaust the descriptors that
databases and logs need. A new connection evicts one that waits for its client: first the one that has waited longest
for the rest of a handshake, head or body, then the one that has been idle longest. Requests being answered are never
evicted. One address gets only a share of the connections; a trusted proxy stands for many people and may use all. A few
connections more are reserved for the health pages.
"""

from __future__ import annotations

import ipaddress
import logging
import resource
import time
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

MAX_CONNECTIONS: Final = 2_000  # connections of one process
MIN_CONNECTIONS: Final = 64
HEALTH_CONNECTIONS: Final = 16  # additional ones, for the health pages
METRICS_CONNECTIONS: Final = 64  # connections of the metrics listener
RESERVED_FILES: Final = 128  # descriptors for databases, logs and the rest
ADDRESS_SHARE: Final = 10  # divisor: the share of an address that is no trusted proxy
ADDRESS_MINIMUM: Final = 32
HANDSHAKE_SHARE: Final = 4  # divisor: the share of connections in their handshake
MIN_WAIT: Final = 1.0  # seconds a waiting connection is spared while an idle one can be evicted
LOG_INTERVAL: Final = 60.0  # seconds between log lines about this
_NETWORK_BITS: Final = 64  # prefix of an IPv6 address that belongs to one client

log = logging.getLogger("ostiary.app")


class Holder(Protocol):
    """A counted connection."""

    peer: str
    in_handshake: bool

    def evict(self) -> None:
        """Close in favour of another connection."""


def trust_none(_address: str) -> bool:
    """Trust no proxy."""
    return False


class ConnectionLimits:
    """The open connections of a process, or of a listener, by phase."""

    def __init__(
        self,
        limit: int = MAX_CONNECTIONS,
        *,
        trusts: Callable[[str], bool] = trust_none,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`trusts` tells whether an address is a trusted proxy; `clock` is in seconds."""
        self.limit = limit
        """How many connections may be open, beside those for the health pages."""
        self._trusts = trusts
        self._clock = clock
        self._all: dict[Holder, None] = {}
        self._health: dict[Holder, bool] = {}  # for health pages only; the value: is busy
        self._waiting: dict[Holder, float] = {}  # with the start of waiting, oldest first
        self._idle: dict[Holder, None] = {}  # oldest first
        self._by_address: dict[str, dict[Holder, None]] = {}  # without trusted proxies
        self._shaking: dict[Holder, None] = {}
        self.evicted = self.refused = 0
        """Connections closed for others, and refused ones, since the start."""
        self.errors = 0
        """How often a connection could not be accepted, since the start."""
        self._logged_counts = (0, 0)  # both, at the last log line
        self._logged_at = -LOG_INTERVAL

    def __len__(self) -> int:
        """Return the number of open connections."""
        return len(self._all) + len(self._health)

    def admit(self, new: Holder) -> bool:
        """Admit a connection, evicting another if needed. False when all others are busy."""
        address = "" if self._trusts(new.peer) else client_network(new.peer)
        if address and not self._admits_address(address):
            return self._refuse()
        if new.in_handshake:
            # guard: A74 TLS handshakes are limited
            if len(self._shaking) >= max(1, self.limit // HANDSHAKE_SHARE):
                self._evict(next(iter(self._shaking)))
            self._shaking[new] = None
        # guard: A69 connections are limited, and the longest idle one is evicted
        if len(self._all) < self.limit or self._evict_any():
            self._all[new] = None
            self._waiting[new] = self._clock()
        elif len(self._health) < HEALTH_CONNECTIONS or self._evict_first(
            holder for holder, busy in self._health.items() if not busy
        ):
            self._health[new] = False
        else:
            self._shaking.pop(new, None)
            return self._refuse()
        if address:
            self._by_address.setdefault(address, {})[new] = None
        return True

    def allows_all_pages(self, holder: Holder) -> bool:
        """Return whether a connection may request every page; a reserved one is promoted if there is room."""
        if holder not in self._health:
            return True
        if len(self._all) >= self.limit and not self._evict_any():
            return False
        self._health.pop(holder, None)
        self._all[holder] = None
        return True

    def release(self, holder: Holder) -> None:
        """Release a connection."""
        for line in (self._all, self._idle, self._shaking):
            line.pop(holder, None)
        self._health.pop(holder, None)
        self._waiting.pop(holder, None)
        address = client_network(holder.peer)
        group = self._by_address.get(address)
        if group is not None:
            group.pop(holder, None)
            if not group:
                del self._by_address[address]

    def handshake_done(self, holder: Holder) -> None:
        """Record the end of the handshake."""
        self._shaking.pop(holder, None)

    def set_waiting(self, holder: Holder) -> None:
        """Record that the client must send or read. A waiting connection keeps its start."""
        self._idle.pop(holder, None)
        if holder in self._all and holder not in self._waiting:
            self._waiting[holder] = self._clock()
        elif holder in self._health:
            self._health[holder] = False

    def set_idle(self, holder: Holder) -> None:
        """Record that only a next request is awaited."""
        self._waiting.pop(holder, None)
        if holder in self._all:
            self._idle.setdefault(holder)
        elif holder in self._health:
            self._health[holder] = False

    def set_busy(self, holder: Holder) -> None:
        """Record that the request is complete and being answered."""
        self._waiting.pop(holder, None)
        self._idle.pop(holder, None)
        if holder in self._health:
            self._health[holder] = True

    def _evict_any(self) -> bool:
        """Evict the first candidate of all. False without candidates."""
        longest = next(iter(self._waiting.items()), None)
        if longest is not None and (self._clock() - longest[1] >= MIN_WAIT or not self._idle):
            self._evict(longest[0])
            return True
        return self._evict_first(self._idle)

    def _admits_address(self, address: str) -> bool:
        """Return whether an address may open another connection, evicting its own if needed."""
        group = self._by_address.get(address, {})
        if len(group) < max(ADDRESS_MINIMUM, self.limit // ADDRESS_SHARE):
            return True
        lines: tuple[Container[Holder], ...] = (self._waiting, self._idle)
        return any(self._evict_first(one for one in group if one in line) for line in lines)

    def _evict_first(self, line: Iterable[Holder]) -> bool:
        first = next(iter(line), None)
        if first is not None:
            self._evict(first)
        return first is not None

    def _evict(self, holder: Holder) -> None:
        self.release(holder)
        self.evicted += 1
        self._log_shortage()
        holder.evict()

    def _refuse(self) -> bool:
        self.refused += 1
        self._log_shortage()
        return False

    def _log_shortage(self) -> None:
        """Log that connections are short, once a minute at most."""
        now = self._clock()
        if now - self._logged_at < LOG_INTERVAL:
            return
        self._logged_at = now
        log.warning(
            "connections are short: %d open, %d ended for others and %d refused since this was last said; "
            "at most %d, and %d from one address that is no trusted proxy",
            len(self),
            self.evicted - self._logged_counts[0],
            self.refused - self._logged_counts[1],
            self.limit,
            max(ADDRESS_MINIMUM, self.limit // ADDRESS_SHARE),
        )
        self._logged_counts = (self.evicted, self.refused)


def client_network(peer: str) -> str:
    """Return the network whose connections count together: an IPv4 address, or an IPv6 /64."""
    if ":" not in peer:
        return peer
    try:
        address = ipaddress.IPv6Address(peer.partition("%")[0])
    except ValueError:
        return peer
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{int(address) >> (128 - _NETWORK_BITS):x}"


def connection_limit() -> int:
    """Return the connection limit of the process, after raising the soft limit of open files."""
    reserved = RESERVED_FILES + HEALTH_CONNECTIONS + METRICS_CONNECTIONS + HEALTH_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = MAX_CONNECTIONS + reserved
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(MIN_CONNECTIONS, min(MAX_CONNECTIONS, soft - reserved))
