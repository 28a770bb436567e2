"""One request and its answer: ASGI towards the application, octets towards the connection.

Our own application takes a complete body and gives a complete answer at once. Plain ASGI works too
(asgi.readthedocs.io, HTTP 2.3).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from ostiary.app.listening import heads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ostiary.app.listening.endpoint import Endpoint
    from ostiary.app.listening.protocols import Channel

BODY_WAITING: Final = 65_536  # octets of a body before reading pauses
_REQUEST_TIMEOUT: Final = 408

log = logging.getLogger("ostiary.app")


class Exchange:
    """A request that is being answered."""

    __slots__ = (
        "_body_delivered",
        "_chunked",
        "_connection",
        "_expects",
        "_fields",
        "_head",
        "_remaining",
        "_status",
        "_wakeup",
        "answered",
        "body",
        "complete",
        "disconnected",
        "keep_alive",
        "scope",
        "started",
        "task",
    )

    def __init__(self, connection: Channel, scope: dict[str, Any], *, keep_alive: bool, expects: bool) -> None:
        """`expects`: the client waits for 100 (Continue) before it sends the body (RFC 9110 10.1.1)."""
        self._connection = connection
        self.scope: dict[str, Any] | None = scope
        self.keep_alive = keep_alive
        self._expects = expects
        self._head = scope["method"] == "HEAD"
        self.body: bytes | bytearray = b""
        self.complete = False  # the whole body has arrived
        self._body_delivered = False  # and was passed to the application
        self.started = self.answered = False
        self.disconnected = False  # the client is disconnected
        self._wakeup: asyncio.Future[None] | None = None  # wakes `receive`
        self.task: asyncio.Task[None] | None = None
        self._status, self._fields = 0, [(b"", b"")]  # of an answer in parts
        self._chunked = False
        self._remaining: int | None = None  # remaining octets of its content-length

    async def run(self, endpoint: Endpoint) -> None:
        """Run the application for this request."""
        scope, self.scope = self.scope, None  # avoids a reference cycle
        try:
            if not self.disconnected:
                await endpoint.application(scope, self.receive, self.send)
        except Exception:
            log.exception("the application failed")
        finally:
            endpoint.tasks.discard(self.task)
        if not (self.answered or self.disconnected):
            self._failed()

    def _failed(self) -> None:
        if self.started:
            self._connection.abort()  # a partial answer must not look complete
        else:
            self.keep_alive = False
            self.answer(500, ((b"content-length", b"0"),), b"")

    # The body, from the connection to the application.

    def feed_body(self, body: bytes) -> bool:
        """Append a part of the body. Return whether to continue reading."""
        self._expects = False  # it did not wait for 100
        if not self.body:
            self.body = body
        elif isinstance(self.body, bytearray):
            self.body += body
        else:
            self.body = bytearray(self.body + body)
        self.wake()
        return len(self.body) <= BODY_WAITING

    def wake(self) -> None:
        """Wake `receive`."""
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(None)

    def disconnect(self) -> None:
        """Mark the client as disconnected."""
        self.disconnected = True
        self.wake()

    def body_at_hand(self) -> bytes | None:
        """Return the body if it is complete, else None."""
        if not self.complete or self._body_delivered:
            return None
        self._body_delivered = True
        return bytes(self.body)

    async def receive(self) -> dict[str, Any]:
        """Return the next part of the body; after the last, wait for the answer or a disconnect."""
        if self._expects and not self.complete and not self.started:
            self._expects = False
            self._connection.write(heads.CONTINUE)
        while not (self.disconnected or self.answered or self.body or (self.complete and not self._body_delivered)):
            self._connection.resume_reading()
            self._wakeup = asyncio.get_running_loop().create_future()
            try:
                await self._wakeup
            finally:
                self._wakeup = None
        if self.disconnected or self.answered or self._body_delivered:
            return {"type": "http.disconnect"}
        body, self.body = bytes(self.body), b""
        self._body_delivered = self.complete
        return {"type": "http.request", "body": body, "more_body": not self.complete}

    # The answer, from the application to the connection.

    def answer(self, status: int, fields: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
        """Send a complete answer with validated headers. False when another one has begun."""
        if self.started:
            return False
        self._start(status)
        if not self.disconnected:
            head = heads.head(status, fields, b"" if self.keep_alive else heads.CLOSE)
            self._connection.write(head + body if body else head)
        self._end()
        return True

    async def send(self, message: Any) -> None:
        """Send a part of an answer. Raises ValueError for an invalid header, RuntimeError for the wrong order."""
        if self.disconnected or self.answered:
            return
        kind, body = message["type"], message.get("body", b"")
        if kind == "http.response.start" and not self._status:
            self._status, self._fields = message["status"], heads.require_sendable(message.get("headers", ()))
        elif kind == "http.response.body" and self._status:
            if not message.get("more_body", False) and not self.started:
                self._send_complete(body)
            else:
                await self._send_part(body, last=not message.get("more_body", False))
        else:
            raise RuntimeError(f"an answer has a start and then bodies, not {kind}")

    def _send_complete(self, body: bytes) -> None:
        fields = self._fields
        if self._status not in heads.BODILESS and not any(name == b"content-length" for name, _ in fields):
            fields.append((b"content-length", b"%d" % len(body)))
        bodiless = self._head or self._status in heads.BODILESS
        length = next((value for name, value in fields if name == b"content-length"), b"0")
        if not bodiless and length != b"%d" % len(body):
            raise RuntimeError("the body of an answer is not as long as its content-length says")
        self.answer(self._status, fields, b"" if bodiless else body)

    async def _send_part(self, body: bytes, *, last: bool) -> None:
        if not self.started:
            self._send_head()
        if body and not self._head and self._status not in heads.BODILESS:
            self._write_part(body)
        if last:
            if self._remaining:
                raise RuntimeError("the body of an answer is shorter than its content-length says")
            if self._chunked:
                self._connection.write(b"0\r\n\r\n")
            self._end()
        else:
            await self._connection.written()

    def _write_part(self, body: bytes) -> None:
        if self._remaining is not None:
            self._remaining -= len(body)
            if self._remaining < 0:
                raise RuntimeError("the body of an answer is longer than its content-length says")
        self._connection.write(b"%x\r\n%b\r\n" % (len(body), body) if self._chunked else body)

    def _send_head(self) -> None:
        """Send the head of an answer in parts."""
        self._start(self._status)
        length = next((value for name, value in self._fields if name == b"content-length"), None)
        more = b""
        if self._head or self._status in heads.BODILESS:
            pass
        elif length is not None:
            self._remaining = int(length)
        else:
            self._chunked = self._connection.takes_chunks
            self.keep_alive = self.keep_alive and self._chunked
            more = heads.CHUNKED if self._chunked else b""
        self._connection.write(heads.head(self._status, self._fields, more if self.keep_alive else more + heads.CLOSE))

    def _start(self, status: int) -> None:
        """Decide whether another request may follow: not if its start would be unknown."""
        self.started = True
        # guard: A69 a body that was never requested is not awaited
        if status == _REQUEST_TIMEOUT or self.awaits_continue:
            self.keep_alive = False

    def _end(self) -> None:
        self.answered = True
        self.body = b""
        if self._wakeup is not None:
            self.wake()
        self._connection.answered(self)

    @property
    def awaits_continue(self) -> bool:
        """Return whether the client still waits for 100; most then never send the body."""
        return self._expects and not self.complete
