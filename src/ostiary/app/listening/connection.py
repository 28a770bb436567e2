"""One connection of a client: octets become requests, in the order they come, each with an end.

HTTP/1.1 (RFC 9112) on httptools, which reads heads and bodies; what follows from them stands here. A head has its
seconds and its octets, framing costs no more than bodies allow, trailers are dropped (they must not become headers), an
answer nobody reads is given up. Requests that come before the answer to the one before wait, and are answered in order.
Where it is not certain where a request ends, nothing more is read: the answers that are due are sent, then it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from typing import TYPE_CHECKING, Any, Final, cast

import httptools

from ostiary.app.listening import heads
from ostiary.app.listening.exchange import Exchange
from ostiary.app.listening.targets import TargetRefused, target
from ostiary.web.asgi import WHOLE
from ostiary.web.request import AT_HAND

if TYPE_CHECKING:
    from ostiary.app.listening.endpoint import Endpoint

HEAD_SECONDS: Final = 10.0  # from the first octet of a head to its last; also for the first head of a connection
IDLE_SECONDS: Final = 75.0  # for a next request
WRITE_SECONDS: Final = 30.0  # for a client to take what is waiting for it
LINGER_SECONDS: Final = 2.0  # in which a client may see the last answer while it is still sending
HEAD_BYTES: Final = 65_536  # of a head that is not complete; the site refuses complete ones much earlier
FRAMING_BYTES: Final = 65_536  # what a body may cost beside itself: chunk sizes, extensions, trailers
FRAMING_FACTOR: Final = 8  # octets of framing for each octet of a body sent in chunks of one
LEFTOVER_BYTES: Final = 1_048_576  # of a body that comes after its answer, read so that the answer arrives
PIPELINE_MOST: Final = 64  # requests that wait for the answer to another one

_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
_LOOKED_AT: Final = frozenset({b"expect", b"transfer-encoding"})
_SERVED: Final = ("1.1", "1.0")


class Connection(asyncio.Protocol):
    """What is read from one client, and written to it."""

    __slots__ = (
        "_deaf", "_due", "_ending", "_endpoint", "_exchange", "_expects", "_framing", "_fresh", "_head_bytes",
        "_headers", "_in_head", "_parser", "_passed", "_pipeline", "_reading", "_skipped", "_socket", "_state",
        "_stopped", "_timer", "_timer_due", "_transport", "_url", "_writable", "peer", "shaking", "takes_chunks",
    )  # fmt: skip

    def __init__(self, endpoint: Endpoint, accepted: socket.socket, peer: str) -> None:
        """`accepted` is the socket, for as long as there is no transport; `peer` the address of the client."""
        self._endpoint = endpoint
        self._socket: socket.socket | None = accepted
        self.peer = peer
        self.shaking = endpoint.context is not None
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._expects = False
        self.takes_chunks = False  # the client of the request that was read last knows chunks
        self._in_head = True  # a head has begun, or the first one is awaited
        self._fresh = True  # it began with the octets that came last
        self._skipped = False  # the parser does not read the body of this head: it asks for another protocol
        self._exchange: Exchange | None = None  # what is being answered
        self._pipeline: deque[Exchange] = deque()  # what is answered after it
        self._reading: Exchange | None = None  # whose body is being read; it may have its answer already
        self._deaf = False  # what comes is no request any more
        self._ending = False  # nothing is written any more either
        self._stopped = False  # the client is not read from
        self._writable: asyncio.Future[None] | None = None  # while the client does not take what is written
        self._head_bytes = self._framing = self._passed = 0
        self._state = ""
        self._due: float | None = None  # when the client's time is over
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0

    # The transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Expect a head soon. The seat was taken when the socket was accepted."""
        made = cast("asyncio.Transport", transport)
        self._transport, self._socket = made, None
        self.shaking = False
        self._endpoint.seats.shaken(self)
        if self._deaf:
            made.abort()  # it gave way before
            return
        self._place()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Give the seat back; nobody waits for answers any more."""
        self._deaf = self._ending = True
        self._expect(None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for exchange in (self._exchange, *self._pipeline):
            if exchange is not None:
                exchange.leave()
        self._exchange = self._reading = None
        self._pipeline.clear()
        self._wake_writers()
        self._endpoint.forget(self)

    def eof_received(self) -> bool:
        """Go on with the answers when a client says that it asks nothing more (over TLS it cannot say it)."""
        self._deaf = True
        last = self._last()
        if last is None or self._reading is not None or self._endpoint.context is not None:
            return False
        last.keep_alive = False
        return True

    def pause_writing(self) -> None:
        """Give the client its time to take what is waiting for it."""
        if self._writable is None:
            self._writable = self._endpoint.loop.create_future()
            self._place()

    def resume_writing(self) -> None:
        """Go on: the client takes what is written."""
        self._wake_writers()
        self._next()
        self._place()

    def _wake_writers(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        if self._deaf:
            self._drop(len(data))
            return
        reading, passed = self._reading, self._passed
        if reading is None and self._exchange is None and not self._in_head:
            self._in_head, self._fresh, self._head_bytes = True, False, 0
        try:
            rest = self._feed(data)
            while rest:
                rest = self._feed(rest)
        except httptools.HttpParserError as error:
            self._give_up(error)
        else:
            self._count(len(data), reading, passed)
        self._place()

    def _feed(self, data: bytes) -> bytes:
        """Let the parser read. Return what it did not read, because it follows a head with Upgrade."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            end: int = upgrade.args[0]
            # guard: A71 a head with Upgrade is not the end of reading
            self._stay()
            return data[end:]
        return b""

    def _stay(self) -> None:
        """Go on in HTTP/1.1 after a head with Upgrade (RFC 9110 7.8: a server may ignore it).

        The parser takes what follows for the other protocol. So another parser reads on, which is told how the body
        is framed. Where a connection is to be handed over to another protocol, this is the place.
        """
        self._skipped = False
        self._parser = httptools.HttpRequestParser(_AfterHead(self))
        version = b"1.1" if self.takes_chunks else b"1.0"
        # guard: A71 the body of a request with Upgrade is its body
        framing = b"".join(b"%b: %b\r\n" % pair for pair in self._headers if pair[0] in _FRAMING)
        self._parser.feed_data(b"POST / HTTP/%b\r\n%b\r\n" % (version, framing))

    def _count(self, size: int, reading: Exchange | None, passed: int) -> None:
        """End what costs too much: `size` octets came; `reading` and `passed` are how it was before."""
        if self._in_head:
            if not self._fresh:
                self._head_bytes += size
            self._fresh = False
            # guard: A69 a head has its octets
            if self._head_bytes > HEAD_BYTES:
                self._refuse(431)
        elif reading is not None and reading is self._reading:
            self._framing += size - (0 if reading.answered else self._passed - passed)
            most = LEFTOVER_BYTES if reading.answered else FRAMING_BYTES + FRAMING_FACTOR * self._passed
            # guard: A69 framing has its octets
            if self._framing > most:
                self.hang_up()

    # The parser.

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._in_head = self._fresh = True
        self._head_bytes = 0
        self._url = b""
        self._headers = []
        self._expects = False

    def on_url(self, url: bytes) -> None:
        """Keep the target, or a part of it."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; a trailer is dropped, so that nobody takes it for one (RFC 9110 6.5.1)."""
        # guard: A69 a trailer is no header
        if self._in_head:
            name, value = name.lower(), value.rstrip()
            if name in _LOOKED_AT:
                self._look_at(name, value.lower())
            self._headers.append((name, value))

    def _look_at(self, name: bytes, value: bytes) -> None:
        """Take note of a header that says something about the connection. Raises Refused."""
        if name == b"expect":
            self._expects = value == b"100-continue"
        # guard: A71 a coding that nobody understands is refused
        elif value != b"chunked":  # RFC 9112 6.1: a coding nobody here understands
            raise TargetRefused(501)

    def on_headers_complete(self) -> None:
        """Make a request of the head, and have it answered when its turn comes. Raises Refused."""
        parser, headers = self._parser, self._headers
        version, method = parser.get_http_version(), parser.get_method()
        new = version == "1.1"
        if version not in _SERVED:
            raise TargetRefused(505)
        # guard: A71 chunks in HTTP/1.0 are refused
        if self._deaf or method == b"CONNECT" or (not new and any(name == b"transfer-encoding" for name, _ in headers)):
            raise TargetRefused(400)
        path, query = target(self._url, headers)
        endpoint = self._endpoint
        # guard: A74 pages of health have seats of their own
        if not endpoint.seats.may_ask_anything(self) and b"/-/health/" not in path:
            raise TargetRefused(503)
        extensions: dict[str, Any] = {}
        scope = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": method.decode("ascii"),
            "scheme": endpoint.scheme,
            "path": path.decode("ascii"),  # the site decodes raw_path itself, strictly
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": headers,
            "client": (self.peer, 0),
            "server": endpoint.address,
            "state": {},
            "extensions": extensions,
        }
        exchange = Exchange(self, scope, keep_alive=new and parser.should_keep_alive(), expects=new and self._expects)
        extensions[WHOLE], extensions[AT_HAND] = exchange.answer, exchange.body_at_hand
        self.takes_chunks = new
        self._in_head = False
        self._skipped = parser.should_upgrade()
        self._framing = self._passed = 0
        self._reading = exchange
        self._queue(exchange)

    def on_body(self, body: bytes) -> None:
        """Hand a part of a body on, or drop it when its request has been answered."""
        exchange = self._reading
        if exchange is None or exchange.answered:
            return
        self._passed += len(body)
        if not exchange.take(body):
            self._stop_reading()

    def on_message_complete(self) -> None:
        """Note the end of a request, unless its body was skipped and is still to be read."""
        exchange = self._reading
        if self._skipped or exchange is None:
            return
        self._reading = None
        exchange.complete = True
        exchange.wake()
        if not exchange.keep_alive:
            self._deaf = True

    # Requests in their order.

    def _queue(self, exchange: Exchange) -> None:
        if self._exchange is None and self._writable is None:
            self._begin(exchange)
            return
        self._stop_reading()
        self._pipeline.append(exchange)
        if len(self._pipeline) > PIPELINE_MOST:
            raise TargetRefused(400)

    def _begin(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._endpoint.run(exchange)

    def answered(self, exchange: Exchange) -> None:
        """Go on after an answer: with the next request, or not at all."""
        if exchange is not self._exchange:
            return  # the connection was lost
        self._exchange = None
        if not exchange.keep_alive:
            self._pipeline.clear()
            self._deaf = True
            if self._reading is exchange and not exchange.is_unasked:
                self._linger()
            else:
                self.close()
            return
        self._next()
        self._place()

    def _next(self) -> None:
        if self._exchange is None and self._pipeline and self._writable is None:
            self._begin(self._pipeline.popleft())
        if not self._pipeline:
            self.read_on()

    def _give_up(self, error: httptools.HttpParserError) -> None:
        """Stop reading: what came is no request, or one that is refused."""
        if self._deaf:
            return  # it follows a last request
        cause = error.__context__
        self._refuse(cause.status if isinstance(cause, TargetRefused) else 400)

    def _refuse(self, status: int) -> None:
        """Tell the client, unless answers to others are due: it would be taken for one of them (RFC 9112 9.3.2)."""
        self._deaf = True
        broken, self._reading = self._reading, None
        if broken is not None and broken in self._pipeline:
            self._pipeline.remove(broken)
            broken = None
        last = self._last()
        # guard: A69 bytes that are no request are not answered in place of one
        if last is not None and last is not broken:
            last.keep_alive = False
        elif broken is not None and broken.answered:
            self.close()
        elif broken is not None and broken.started:
            self.hang_up()
        else:
            if broken is not None:
                broken.leave()
                self._exchange = None
            self.write(heads.short(status))
            self.close()

    # Writing and the end.

    def write(self, data: bytes) -> None:
        """Write to the client, if it is still there."""
        transport = self._transport
        if transport is not None and not self._ending and not transport.is_closing():
            transport.write(data)

    async def written(self) -> None:
        """Wait until the client has taken most of what was written."""
        if self._writable is not None:
            await asyncio.shield(self._writable)

    def read_on(self) -> None:
        """Read from the client again."""
        transport = self._transport
        if self._stopped and not self._pipeline and transport is not None and not transport.is_closing():
            self._stopped = False
            transport.resume_reading()

    def _stop_reading(self) -> None:
        transport = self._transport
        if not self._stopped and transport is not None and not transport.is_closing():
            self._stopped = True
            transport.pause_reading()

    def shutdown(self) -> None:
        """Answer what has been asked, and then nothing more."""
        last = self._last()
        if last is None:
            self.close()
        else:
            last.keep_alive = False

    def _last(self) -> Exchange | None:
        """Return the request that is answered after all others."""
        return self._pipeline[-1] if self._pipeline else self._exchange

    def close(self) -> None:
        """End when what was written has been taken."""
        self._deaf = self._ending = True
        if self._transport is None:
            self.hang_up()
        elif not self._transport.is_closing():
            self._transport.close()
        self._state = "closing"
        self._endpoint.seats.wait(self)
        self._expect(WRITE_SECONDS)

    def _linger(self) -> None:
        """Say that nothing more comes, and drop what does: an end at once would take the answer with it (9.6)."""
        self._framing = 0
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()
        self.read_on()
        self._ending = True
        self._state = "closing"
        self._endpoint.seats.wait(self)
        self._expect(LINGER_SECONDS)

    def _drop(self, size: int) -> None:
        self._framing += size
        if self._framing > LEFTOVER_BYTES:
            self.hang_up()

    def give_way(self) -> None:
        """End, because another one came: with an answer, if one is due, so that a proxy does not think us dead."""
        if self._exchange is not None and not self._exchange.started and self._writable is None:
            self.write(heads.short(503))
            self._exchange.leave()
        self._deaf = self._ending = True
        self._endpoint.loop.call_soon(self.hang_up)  # which is after what was written

    def hang_up(self) -> None:
        """End the connection at once."""
        self._deaf = self._ending = True
        if self._transport is not None:
            self._transport.abort()
        elif self._socket is not None:
            with contextlib.suppress(OSError):  # the client has gone already
                self._socket.shutdown(socket.SHUT_RDWR)  # what opens the connection finds its end, and closes it

    # Seats and time.

    def _place(self) -> None:
        """Tell the seats what is waited for, and for how long."""
        state = self._now()
        if self._state in (state, "closing"):
            return
        self._state = state
        seats = self._endpoint.seats
        if state == "work":
            seats.work(self)
            self._due = None
        elif state == "idle":
            seats.rest(self)
            self._expect(IDLE_SECONDS)
        else:
            seats.wait(self)
            self._expect(self._patience(state))

    def _patience(self, state: str) -> float | None:
        """Return the seconds a client has for what it is waited for; the application has its own limit for bodies."""
        if state == "body":
            return None
        # guard: A69 a head has its seconds
        # guard: A69 who does not read is given up
        return WRITE_SECONDS if state == "taking" else HEAD_SECONDS

    def _now(self) -> str:
        """Return what is going on: "taking" is a client that does not read what is written."""
        if self._writable is not None:
            return "taking"
        if self._exchange is not None:
            # guard: A74 who waits for a body gives way
            return "work" if self._exchange.complete else "body"
        if self._reading is not None:
            return "leftover"
        return "head" if self._in_head else "idle"

    def _expect(self, seconds: float | None) -> None:
        """Give the client so many seconds for what comes next."""
        if seconds is None:
            self._due = None
            return
        loop = self._endpoint.loop
        self._due = due = loop.time() + seconds
        if self._timer is not None and self._timer_due <= due:
            return  # it looks again then
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_due = loop.call_at(due, self._look), due

    def _look(self) -> None:
        self._timer = None
        if self._due is None:
            return
        if self._due <= self._endpoint.loop.time() + 0.001:
            if self._state == "idle":
                self.close()
            else:
                self.hang_up()
        else:
            self._timer, self._timer_due = self._endpoint.loop.call_at(self._due, self._look), self._due


class _AfterHead:
    """Passes on what a parser reads, but for the first head: that has been passed on already."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._passes = False
        self.on_body = connection.on_body
        self.on_message_complete = connection.on_message_complete

    def on_message_begin(self) -> None:
        if self._passes:
            self._connection.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self._passes:
            self._connection.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._passes:
            self._connection.on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._passes:
            self._connection.on_headers_complete()
        self._passes = True
