"""One client connection of HTTP/1.1 (RFC 9112): requests in their order, limits and deadlines.

Heads are limited in time and size (`request_reader`), and so is the framing of bodies. A client that does not read its
answer is disconnected. Pipelined requests wait and are answered in order. Where the end of a request is uncertain,
reading stops: pending answers are sent, then the connection closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from typing import TYPE_CHECKING, Final, cast

import httptools

from ostiary.app.listening import heads
from ostiary.app.listening.deadline import Deadline
from ostiary.app.listening.request_reader import RequestReader
from ostiary.app.listening.targets import TargetRefused

if TYPE_CHECKING:
    from ostiary.app.listening.endpoint import Endpoint
    from ostiary.app.listening.exchange import Exchange

HEAD_TIMEOUT: Final = 10.0  # seconds from the first octet of a head to its last, and for the first head
IDLE_TIMEOUT: Final = 75.0  # seconds for the next request
WRITE_TIMEOUT: Final = 30.0  # seconds for a client to read its answer
LINGER_TIMEOUT: Final = 2.0  # seconds for a client that still sends to read the last answer
FRAMING_BYTES: Final = 65_536  # of chunk sizes, extensions and trailers
FRAMING_FACTOR: Final = 8  # octets of framing for each octet of a body
LEFTOVER_BYTES: Final = 1_048_576  # of a body after its answer, which is read so that the answer arrives
MAX_PIPELINE: Final = 64  # pipelined requests


class Connection(asyncio.Protocol):
    """The connection of one client."""

    __slots__ = (
        "_body_bytes", "_deadline", "_endpoint", "_exchange", "_framing", "_last_phase", "_output_closed", "_pipeline",
        "_reader", "_reading", "_reading_paused", "_socket", "_transport", "_writable", "in_handshake", "input_closed",
        "peer", "takes_chunks",
    )  # fmt: skip

    def __init__(self, endpoint: Endpoint, accepted: socket.socket, peer: str) -> None:
        """`accepted` is the socket, until there is a transport; `peer` the client's address."""
        self._endpoint = endpoint
        self._socket: socket.socket | None = accepted
        self.peer = peer
        self.in_handshake = endpoint.context is not None
        self._transport: asyncio.Transport | None = None
        self._reader = RequestReader(self, endpoint)
        self.takes_chunks = False  # whether the client of the last request supports chunks
        self._exchange: Exchange | None = None  # the request being answered
        self._pipeline: deque[Exchange] = deque()  # the requests after it
        self._reading: Exchange | None = None  # the request whose body is being read; it may be answered already
        self.input_closed = False  # no more requests are read
        self._output_closed = False  # nothing more is written
        self._reading_paused = False  # reading is paused
        self._writable: asyncio.Future[None] | None = None  # pending while the client does not read
        self._framing = self._body_bytes = 0
        self._last_phase = ""
        self._deadline = Deadline(endpoint.loop, self._expire)

    # The transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first head."""
        transport = cast("asyncio.Transport", transport)
        self._transport, self._socket = transport, None
        self.in_handshake = False
        self._endpoint.limits.handshake_done(self)
        if self.input_closed:
            transport.abort()  # it was evicted before
            return
        self._update_phase()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Release the connection and cancel its requests."""
        self.input_closed = self._output_closed = True
        self._deadline.end()
        for exchange in (self._exchange, *self._pipeline):
            if exchange is not None:
                exchange.disconnect()
        self._exchange = self._reading = None
        self._pipeline.clear()
        self._wake_writers()
        self._endpoint.remove(self)

    def eof_received(self) -> bool:
        """Finish the answers after the client has closed its side (impossible over TLS)."""
        self.input_closed = True
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
        if self.input_closed:
            self._discard(len(data))
            return
        reading, passed = self._reading, self._body_bytes
        if reading is None and self._exchange is None:
            self._reader.await_head()
        try:
            self._reader.read(data)
        except httptools.HttpParserError as error:
            self._fail(error)
        else:
            self._count(len(data), reading, passed)
        self._update_phase()

    def _count(self, size: int, reading: Exchange | None, passed: int) -> None:
        """Enforce the size limits after `size` octets; `reading` and `passed` are the state before."""
        if self._reader.in_head:
            # guard: A69 a request head has a size limit
            if self._reader.is_head_too_long(size):
                self._refuse(431)
        elif reading is not None and reading is self._reading:
            self._framing += size - (0 if reading.answered else self._body_bytes - passed)
            limit = LEFTOVER_BYTES if reading.answered else FRAMING_BYTES + FRAMING_FACTOR * self._body_bytes
            # guard: A69 chunk framing has a size limit
            if self._framing > limit:
                self.abort()

    # What was read.

    def receive_request(self, exchange: Exchange) -> None:
        """Queue a request whose head was read. Raises TargetRefused."""
        self._framing = self._body_bytes = 0
        self._reading = exchange
        self._queue(exchange)

    def receive_body(self, body: bytes) -> None:
        """Pass on a part of a body; drop it after the answer."""
        exchange = self._reading
        if exchange is None or exchange.answered:
            return
        self._body_bytes += len(body)
        if not exchange.feed_body(body):
            self._pause_reading()

    def receive_end(self) -> None:
        """Mark the request as complete."""
        exchange = self._reading
        if exchange is None:
            return
        self._reading = None
        exchange.complete = True
        exchange.wake()
        if not exchange.keep_alive:
            self.input_closed = True

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
            self.input_closed = True
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
        if self.input_closed:
            return  # after the last request
        cause = error.__context__
        self._refuse(cause.status if isinstance(cause, TargetRefused) else 400)

    def _refuse(self, status: int) -> None:
        """Send a status, unless answers are pending: it would be taken for one of them (RFC 9112 9.3.2)."""
        self.input_closed = True
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
        self.input_closed = self._output_closed = True
        if self._transport is None:
            self.abort()
        elif not self._transport.is_closing():
            self._transport.close()
        self._last_phase = "closing"
        self._endpoint.limits.set_waiting(self)
        self._deadline.set(WRITE_TIMEOUT)

    def _linger(self) -> None:
        """Close our side and discard input: an immediate close could lose the answer (RFC 9112 9.6)."""
        self._framing = 0
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()
        self.resume_reading()
        self._output_closed = True
        self._last_phase = "closing"
        self._endpoint.limits.set_waiting(self)
        self._deadline.set(LINGER_TIMEOUT)

    def _discard(self, size: int) -> None:
        self._framing += size
        if self._framing > LEFTOVER_BYTES:
            self.abort()

    def evict(self) -> None:
        """Close in favour of another connection; a pending request gets 503, so that a proxy sees an answer."""
        if self._exchange is not None and not self._exchange.started and self._writable is None:
            self.write(heads.empty_response(503))
            self._exchange.disconnect()
        self.input_closed = self._output_closed = True
        self._endpoint.loop.call_soon(self.abort)  # after the written data

    def abort(self) -> None:
        """Close the connection at once."""
        self.input_closed = self._output_closed = True
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
            self._deadline.set(None)
        elif state == "idle":
            limits.set_idle(self)
            self._deadline.set(IDLE_TIMEOUT)
        else:
            limits.set_waiting(self)
            self._deadline.set(self._timeout(state))

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
        return "head" if self._reader.in_head else "idle"

    def _expire(self) -> None:
        """End the connection of a client that missed its deadline."""
        if self._last_phase == "idle":
            self.close()
        else:
            self.abort()
