"""One client connection: HTTP/1.1 (RFC 9112) on the parser httptools.

Heads are limited in time and size, and so is the framing of bodies; trailers are dropped, because they must not become
headers. A client that does not read its answer is disconnected. Pipelined requests wait and are answered in order.
Where the end of a request is uncertain, reading stops: pending answers are sent, then the connection closes.
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

HEAD_TIMEOUT: Final = 10.0  # seconds from the first octet of a head to its last, and for the first head
IDLE_TIMEOUT: Final = 75.0  # seconds for the next request
WRITE_TIMEOUT: Final = 30.0  # seconds for a client to read its answer
LINGER_TIMEOUT: Final = 2.0  # seconds for a client that still sends to read the last answer
HEAD_BYTES: Final = 65_536  # of an incomplete head; the site refuses complete ones much earlier
FRAMING_BYTES: Final = 65_536  # of chunk sizes, extensions and trailers
FRAMING_FACTOR: Final = 8  # octets of framing for each octet of a body
LEFTOVER_BYTES: Final = 1_048_576  # of a body after its answer, which is read so that the answer arrives
MAX_PIPELINE: Final = 64  # pipelined requests

_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
_INSPECTED: Final = frozenset({b"expect", b"transfer-encoding"})
_VERSIONS: Final = ("1.1", "1.0")


class Connection(asyncio.Protocol):
    """The connection of one client."""

    __slots__ = (
        "_body_bytes", "_deadline", "_endpoint", "_exchange", "_expects", "_framing", "_head_bytes",
        "_head_just_began", "_headers", "_in_head", "_input_closed", "_last_phase", "_output_closed", "_parser",
        "_pipeline", "_reading", "_reading_paused", "_skipped", "_socket", "_timer", "_timer_at", "_transport",
        "_url", "_writable", "in_handshake", "peer", "takes_chunks",
    )  # fmt: skip

    def __init__(self, endpoint: Endpoint, accepted: socket.socket, peer: str) -> None:
        """`accepted` is the socket, until there is a transport; `peer` the client's address."""
        self._endpoint = endpoint
        self._socket: socket.socket | None = accepted
        self.peer = peer
        self.in_handshake = endpoint.context is not None
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._expects = False
        self.takes_chunks = False  # whether the client of the last request supports chunks
        self._in_head = True  # within a head, or before the first one
        self._head_just_began = True  # it began with the last data
        self._skipped = False  # the parser skips the body of this head, because of Upgrade
        self._exchange: Exchange | None = None  # the request being answered
        self._pipeline: deque[Exchange] = deque()  # the requests after it
        self._reading: Exchange | None = None  # the request whose body is being read; it may be answered already
        self._input_closed = False  # no more requests are read
        self._output_closed = False  # nothing more is written
        self._reading_paused = False  # reading is paused
        self._writable: asyncio.Future[None] | None = None  # pending while the client does not read
        self._head_bytes = self._framing = self._body_bytes = 0
        self._last_phase = ""
        self._deadline: float | None = None  # deadline of the client, in loop time
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    # The transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first head."""
        transport = cast("asyncio.Transport", transport)
        self._transport, self._socket = transport, None
        self.in_handshake = False
        self._endpoint.limits.handshake_done(self)
        if self._input_closed:
            transport.abort()  # it was evicted before
            return
        self._update_phase()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Release the connection and cancel its requests."""
        self._input_closed = self._output_closed = True
        self._set_deadline(None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for exchange in (self._exchange, *self._pipeline):
            if exchange is not None:
                exchange.disconnect()
        self._exchange = self._reading = None
        self._pipeline.clear()
        self._wake_writers()
        self._endpoint.remove(self)

    def eof_received(self) -> bool:
        """Finish the answers after the client has closed its side (impossible over TLS)."""
        self._input_closed = True
        last = self._last()
        if last is None or self._reading is not None or self._endpoint.context is not None:
            return False
        last.keep_alive = False
        return True

    def pause_writing(self) -> None:
        """Start the deadline for reading the answer."""
        if self._writable is None:
            self._writable = self._endpoint.loop.create_future()
            self._update_phase()

    def resume_writing(self) -> None:
        """Continue: the client reads again."""
        self._wake_writers()
        self._next()
        self._update_phase()

    def _wake_writers(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def data_received(self, data: bytes) -> None:
        """Parse data."""
        if self._input_closed:
            self._discard(len(data))
            return
        reading, passed = self._reading, self._body_bytes
        if reading is None and self._exchange is None and not self._in_head:
            self._in_head, self._head_just_began, self._head_bytes = True, False, 0
        try:
            rest = self._feed(data)
            while rest:
                rest = self._feed(rest)
        except httptools.HttpParserError as error:
            self._fail(error)
        else:
            self._count(len(data), reading, passed)
        self._update_phase()

    def _feed(self, data: bytes) -> bytes:
        """Feed the parser. Return the rest after a head with Upgrade, where the parser stops."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            end: int = upgrade.args[0]
            # guard: A71 reading continues after a head with Upgrade
            self._continue_after_upgrade()
            return data[end:]
        return b""

    def _continue_after_upgrade(self) -> None:
        """Stay with HTTP/1.1 after a head with Upgrade (RFC 9110 7.8: a server may ignore it).

        The parser would treat the rest as the other protocol. So a new parser continues, which gets the framing of the
        body. A switch to another protocol would belong here.
        """
        self._skipped = False
        self._parser = httptools.HttpRequestParser(_AfterHead(self))
        version = b"1.1" if self.takes_chunks else b"1.0"
        # guard: A71 a request with Upgrade may have a body
        framing = b"".join(b"%b: %b\r\n" % pair for pair in self._headers if pair[0] in _FRAMING)
        self._parser.feed_data(b"POST / HTTP/%b\r\n%b\r\n" % (version, framing))

    def _count(self, size: int, reading: Exchange | None, passed: int) -> None:
        """Enforce the size limits after `size` octets; `reading` and `passed` are the state before."""
        if self._in_head:
            if not self._head_just_began:
                self._head_bytes += size
            self._head_just_began = False
            # guard: A69 a request head has a size limit
            if self._head_bytes > HEAD_BYTES:
                self._refuse(431)
        elif reading is not None and reading is self._reading:
            self._framing += size - (0 if reading.answered else self._body_bytes - passed)
            limit = LEFTOVER_BYTES if reading.answered else FRAMING_BYTES + FRAMING_FACTOR * self._body_bytes
            # guard: A69 chunk framing has a size limit
            if self._framing > limit:
                self.abort()

    # The parser.

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._in_head = self._head_just_began = True
        self._head_bytes = 0
        self._url = b""
        self._headers = []
        self._expects = False

    def on_url(self, url: bytes) -> None:
        """Store the target, or a part of it."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a header. A trailer is dropped (RFC 9110 6.5.1)."""
        # guard: A69 trailers are not merged into the headers
        if self._in_head:
            name, value = name.lower(), value.rstrip()
            if name in _INSPECTED:
                self._inspect_header(name, value.lower())
            self._headers.append((name, value))

    def _inspect_header(self, name: bytes, value: bytes) -> None:
        """Inspect a header about the connection. Raises TargetRefused."""
        if name == b"expect":
            self._expects = value == b"100-continue"
        # guard: A71 an unknown transfer coding is refused
        elif value != b"chunked":  # RFC 9112 6.1: an unknown transfer coding
            raise TargetRefused(501)

    def on_headers_complete(self) -> None:
        """Create the request of a head and queue it. Raises TargetRefused."""
        parser, headers = self._parser, self._headers
        version, method = parser.get_http_version(), parser.get_method()
        new = version == "1.1"
        if version not in _VERSIONS:
            raise TargetRefused(505)
        # guard: A71 chunks in HTTP/1.0 are refused
        if (
            self._input_closed
            or method == b"CONNECT"
            or (not new and any(name == b"transfer-encoding" for name, _ in headers))
        ):
            raise TargetRefused(400)
        path, query = target(self._url, headers)
        endpoint = self._endpoint
        # guard: A74 health pages have reserved connections
        if not endpoint.limits.allows_all_pages(self) and b"/-/health/" not in path:
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
        self._framing = self._body_bytes = 0
        self._reading = exchange
        self._queue(exchange)

    def on_body(self, body: bytes) -> None:
        """Pass on a part of a body; drop it after the answer."""
        exchange = self._reading
        if exchange is None or exchange.answered:
            return
        self._body_bytes += len(body)
        if not exchange.feed_body(body):
            self._pause_reading()

    def on_message_complete(self) -> None:
        """Mark the request as complete, unless its body was skipped and is still to be read."""
        exchange = self._reading
        if self._skipped or exchange is None:
            return
        self._reading = None
        exchange.complete = True
        exchange.wake()
        if not exchange.keep_alive:
            self._input_closed = True

    # Requests in their order.

    def _queue(self, exchange: Exchange) -> None:
        if self._exchange is None and self._writable is None:
            self._begin(exchange)
            return
        self._pause_reading()
        self._pipeline.append(exchange)
        if len(self._pipeline) > MAX_PIPELINE:
            raise TargetRefused(400)

    def _begin(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._endpoint.run(exchange)

    def answered(self, exchange: Exchange) -> None:
        """Continue after an answer: with the next request, or close."""
        if exchange is not self._exchange:
            return  # the connection was lost
        self._exchange = None
        if not exchange.keep_alive:
            self._pipeline.clear()
            self._input_closed = True
            if self._reading is exchange and not exchange.awaits_continue:
                self._linger()
            else:
                self.close()
            return
        self._next()
        self._update_phase()

    def _next(self) -> None:
        if self._exchange is None and self._pipeline and self._writable is None:
            self._begin(self._pipeline.popleft())
        if not self._pipeline:
            self.resume_reading()

    def _fail(self, error: httptools.HttpParserError) -> None:
        """Refuse a malformed or unacceptable request and stop reading."""
        if self._input_closed:
            return  # after the last request
        cause = error.__context__
        self._refuse(cause.status if isinstance(cause, TargetRefused) else 400)

    def _refuse(self, status: int) -> None:
        """Send a status, unless answers are pending: it would be taken for one of them (RFC 9112 9.3.2)."""
        self._input_closed = True
        broken, self._reading = self._reading, None
        if broken is not None and broken in self._pipeline:
            self._pipeline.remove(broken)
            broken = None
        last = self._last()
        # guard: A69 malformed bytes never replace the response to an earlier request
        if last is not None and last is not broken:
            last.keep_alive = False
        elif broken is not None and broken.answered:
            self.close()
        elif broken is not None and broken.started:
            self.abort()
        else:
            if broken is not None:
                broken.disconnect()
                self._exchange = None
            self.write(heads.empty_response(status))
            self.close()

    # Writing and the end.

    def write(self, data: bytes) -> None:
        """Write to the client, if it is connected."""
        transport = self._transport
        if transport is not None and not self._output_closed and not transport.is_closing():
            transport.write(data)

    async def written(self) -> None:
        """Wait until the write buffer is mostly empty."""
        if self._writable is not None:
            await asyncio.shield(self._writable)

    def resume_reading(self) -> None:
        """Resume reading."""
        transport = self._transport
        if self._reading_paused and not self._pipeline and transport is not None and not transport.is_closing():
            self._reading_paused = False
            transport.resume_reading()

    def _pause_reading(self) -> None:
        transport = self._transport
        if not self._reading_paused and transport is not None and not transport.is_closing():
            self._reading_paused = True
            transport.pause_reading()

    def shutdown(self) -> None:
        """Answer the pending requests, then close."""
        last = self._last()
        if last is None:
            self.close()
        else:
            last.keep_alive = False

    def _last(self) -> Exchange | None:
        """Return the last pending request."""
        return self._pipeline[-1] if self._pipeline else self._exchange

    def close(self) -> None:
        """Close after the written data is sent."""
        self._input_closed = self._output_closed = True
        if self._transport is None:
            self.abort()
        elif not self._transport.is_closing():
            self._transport.close()
        self._last_phase = "closing"
        self._endpoint.limits.set_waiting(self)
        self._set_deadline(WRITE_TIMEOUT)

    def _linger(self) -> None:
        """Close our side and discard input: an immediate close could lose the answer (RFC 9112 9.6)."""
        self._framing = 0
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()
        self.resume_reading()
        self._output_closed = True
        self._last_phase = "closing"
        self._endpoint.limits.set_waiting(self)
        self._set_deadline(LINGER_TIMEOUT)

    def _discard(self, size: int) -> None:
        self._framing += size
        if self._framing > LEFTOVER_BYTES:
            self.abort()

    def evict(self) -> None:
        """Close in favour of another connection; a pending request gets 503, so that a proxy sees an answer."""
        if self._exchange is not None and not self._exchange.started and self._writable is None:
            self.write(heads.empty_response(503))
            self._exchange.disconnect()
        self._input_closed = self._output_closed = True
        self._endpoint.loop.call_soon(self.abort)  # after the written data

    def abort(self) -> None:
        """Close the connection at once."""
        self._input_closed = self._output_closed = True
        if self._transport is not None:
            self._transport.abort()
        elif self._socket is not None:
            with contextlib.suppress(OSError):  # already disconnected
                self._socket.shutdown(socket.SHUT_RDWR)  # the task that opens the connection sees the end

    # Limits and deadlines.

    def _update_phase(self) -> None:
        """Report the phase to the connection limits and set its deadline."""
        state = self._phase()
        if self._last_phase in (state, "closing"):
            return
        self._last_phase = state
        limits = self._endpoint.limits
        if state == "work":
            limits.set_busy(self)
            self._deadline = None
        elif state == "idle":
            limits.set_idle(self)
            self._set_deadline(IDLE_TIMEOUT)
        else:
            limits.set_waiting(self)
            self._set_deadline(self._timeout(state))

    def _timeout(self, state: str) -> float | None:
        """Return the seconds a client has in a phase; the application limits bodies itself."""
        if state == "body":
            return None
        # guard: A69 a request head has a time limit
        # guard: A69 a client that does not read is disconnected
        return WRITE_TIMEOUT if state == "taking" else HEAD_TIMEOUT

    def _phase(self) -> str:
        """Return the phase; "taking" means that the client does not read its answer."""
        if self._writable is not None:
            return "taking"
        if self._exchange is not None:
            # guard: A74 a connection that waits for a body can be evicted
            return "work" if self._exchange.complete else "body"
        if self._reading is not None:
            return "leftover"
        return "head" if self._in_head else "idle"

    def _set_deadline(self, seconds: float | None) -> None:
        """Set the deadline of the client, in seconds from now."""
        if seconds is None:
            self._deadline = None
            return
        loop = self._endpoint.loop
        self._deadline = due = loop.time() + seconds
        if self._timer is not None and self._timer_at <= due:
            return  # the timer checks the deadline again
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = loop.call_at(due, self._check_deadline), due

    def _check_deadline(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        if self._deadline <= self._endpoint.loop.time() + 0.001:
            if self._last_phase == "idle":
                self.close()
            else:
                self.abort()
        else:
            self._timer, self._timer_at = (
                self._endpoint.loop.call_at(self._deadline, self._check_deadline),
                self._deadline,
            )


class _AfterHead:
    """Forwards parser events, without those of the first head."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._active = False
        self.on_body = connection.on_body
        self.on_message_complete = connection.on_message_complete

    def on_message_begin(self) -> None:
        if self._active:
            self._connection.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self._active:
            self._connection.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._active:
            self._connection.on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._active:
            self._connection.on_headers_complete()
        self._active = True
