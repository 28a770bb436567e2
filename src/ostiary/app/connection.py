"""One connection of a client, with an end: what uvicorn leaves without a limit is limited here.

uvicorn waits for ever for a head that does not come, keeps reading a body after the answer, takes heads and trailers
of any size, and lets any number of connections be open. Here a head has its seconds and its bytes (slow clients are
cut off), trailers are dropped (they must not become headers), an answer nobody reads is given up, and when the seats
are taken the connection that has waited longest without asking anything gives its own to the newcomer.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from ostiary.app.exchange import Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD_SECONDS: Final = 10.0  # from the first octet of a head to its last; also for the first head of a connection
HEAD_BYTES: Final = 65_536  # of a head that is not complete; the site refuses complete ones much earlier
FRAMING_BYTES: Final = 65_536  # what a body may cost beside itself: chunk sizes, extensions, trailers
FRAMING_FACTOR: Final = 8  # octets of framing for each octet of a body sent in chunks of one
LEFTOVER_BYTES: Final = 1_048_576  # of a body that comes after its answer, read so that the answer arrives
WRITE_SECONDS: Final = 30.0  # for a client to take what is waiting for it
SEATS_MOST: Final = 2_000  # connections of one listener
SEATS_LEAST: Final = 64
FILES_KEPT: Final = 128  # descriptors left for databases, logs and the rest

_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

log = logging.getLogger("ostiary.app")


class Seats:
    """The connections of one listener: how many there may be, and who has waited longest to ask something."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._all: set[Connection] = set()
        self._waiting: dict[Connection, None] = {}  # in the order they began to wait

    def take(self, newcomer: Connection) -> bool:
        """Give a seat, if need be that of who waited longest. False when everybody is being served."""
        if len(self._all) >= self._most:
            longest = next(iter(self._waiting), None)
            if longest is None:
                return False
            self.leave(longest)
            longest.hang_up()
        self._all.add(newcomer)
        return True

    def leave(self, connection: Connection) -> None:
        """Take back a seat."""
        self._all.discard(connection)
        self._waiting.pop(connection, None)

    def wait(self, connection: Connection) -> None:
        """Note that the connection is waited for. It keeps its place in the line when it was waited for already."""
        if connection in self._all:
            self._waiting.setdefault(connection)

    def serve(self, connection: Connection) -> None:
        """Note that the connection has asked something."""
        self._waiting.pop(connection, None)


class Connection(Protocol):
    """uvicorn's protocol, with limits. Made for each connection by what `connections` returns."""

    def __init__(self, *arguments: Any, seats: Seats, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._seats = seats
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._in_head = True
        self._head_bytes = 0
        self._framing = 0  # octets since the last head that were no body
        self._passed = 0  # octets of bodies, of all requests
        self._before = 0  # those of the requests before this one
        self._heads = 0  # that came to their end

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn does
        """Take a seat, and expect a head soon."""
        super().connection_made(transport)
        if not self._seats.take(self):
            log.debug("a connection was refused: all seats are taken")
            self.hang_up()
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the seat back."""
        self._seats.leave(self)
        self._head_timer = _cancelled(self._head_timer)
        self._write_timer = _cancelled(self._write_timer)
        super().connection_lost(exc)

    def hang_up(self) -> None:
        """End the connection at once."""
        self._head_timer = _cancelled(self._head_timer)
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take what came, and count what is neither a whole head nor a body."""
        passed, heads = self._passed, self._heads
        super().data_received(data)
        if self.transport.is_closing():
            return
        if not self._asked():
            self._await_head()
            self._head_bytes += len(data)
            if self._head_bytes > (HEAD_BYTES if self._in_head else LEFTOVER_BYTES):
                self._refuse()
        elif heads == self._heads:  # else a head has just come to its end; the site judges its size
            self._framing += len(data) - (self._passed - passed)
            if self._framing > FRAMING_BYTES + FRAMING_FACTOR * (self._passed - self._before):
                self.hang_up()

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; a trailer is dropped, so that nobody takes it for one (RFC 9110 6.5.1)."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop waiting: from here on the application has its own limits."""
        self._in_head = False
        self._heads += 1
        self._head_bytes = self._framing = 0
        self._before = self._passed
        self._head_timer = _cancelled(self._head_timer)
        self._seats.serve(self)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count what is passed on."""
        self._passed += len(body)
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Wait for the next request, or end."""
        self._head_bytes = 0
        super().on_response_complete()
        if not self._asked() and not self.transport.is_closing():
            self._seats.wait(self)

    def pause_writing(self) -> None:
        """Give up a client that does not take its answer."""
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(WRITE_SECONDS, self.hang_up)

    def resume_writing(self) -> None:
        """Go on: the client takes its answer."""
        self._write_timer = _cancelled(self._write_timer)
        super().resume_writing()

    def _asked(self) -> bool:
        """Tell whether a request is being answered."""
        cycle: object = self.cycle  # None before the first request, whatever uvicorn's annotation says
        return cycle is not None and not self.cycle.response_complete

    def _await_head(self) -> None:
        self._seats.wait(self)
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_overdue)

    def _head_overdue(self) -> None:
        self._head_timer = None
        if not self._asked():  # else: the beginning of a next request, sent before this one was answered
            self.hang_up()

    def _refuse(self) -> None:
        if self._in_head:
            self.transport.write(_TOO_LARGE)
        self._head_timer = _cancelled(self._head_timer)
        self.transport.close()


def connections() -> type[asyncio.Protocol]:
    """Return what makes the connections of one listener, for uvicorn's `http` setting."""
    made: Callable[..., Connection] = partial(Connection, seats=Seats(_seats()))
    return cast("type[asyncio.Protocol]", made)


def _seats() -> int:
    """Return how many connections the process can hold open; the soft limit of files is raised as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = SEATS_MOST + FILES_KEPT
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return SEATS_MOST
    return max(SEATS_LEAST, min(SEATS_MOST, soft - FILES_KEPT))


def _cancelled(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Cancel a timer; return what to keep instead."""
    if timer is not None:
        timer.cancel()
    return None
