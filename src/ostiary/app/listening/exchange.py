"""One request and its answer: ASGI towards the application, octets towards the connection.

The short way: a body that has arrived is handed over as it is, and an answer that is whole is written in one piece; the
application has checked its header. Whoever speaks plain ASGI is understood as well (asgi.readthedocs.io, HTTP 2.3).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from ostiary.app.listening import heads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ostiary.app.listening.endpoint import Endpoint
    from ostiary.app.listening.lines import Line

BODY_WAITING: Final = 65_536  # octets of a body that wait for the application; then the client is not read from
_REQUEST_TIMEOUT: Final = 408

log = logging.getLogger("ostiary.app")


class Exchange:
    """A request that is being answered."""

    __slots__ = (
        "_chunked",
        "_connection",
        "_delivered",
        "_expects",
        "_fields",
        "_head",
        "_left",
        "_news",
        "_status",
        "answered",
        "body",
        "complete",
        "gone",
        "keep_alive",
        "scope",
        "started",
        "task",
    )

    def __init__(self, connection: Line, scope: dict[str, Any], *, keep_alive: bool, expects: bool) -> None:
        """`expects` says that the client wants to be told to go on before it sends the body (RFC 9110 10.1.1)."""
        self._connection = connection
        self.scope: dict[str, Any] | None = scope
        self.keep_alive = keep_alive
        self._expects = expects
        self._head = scope["method"] == "HEAD"
        self.body: bytes | bytearray = b""
        self.complete = False  # all of the body has arrived
        self._delivered = False  # and the application has been given it
        self.started = self.answered = False
        self.gone = False  # nobody waits for the answer any more
        self._news: asyncio.Future[None] | None = None  # what `receive` waits for
        self.task: asyncio.Task[None] | None = None
        self._status, self._fields = 0, [(b"", b"")]  # of an answer that comes in parts
        self._chunked = False
        self._left: int | None = None  # octets that its content-length promises

    async def run(self, endpoint: Endpoint) -> None:
        """Have it answered."""
        scope, self.scope = self.scope, None  # no cycle is left behind
        try:
            if not self.gone:
                await endpoint.application(scope, self.receive, self.send)
        except Exception:
            log.exception("the application failed")
        finally:
            endpoint.tasks.discard(self.task)
        if not (self.answered or self.gone):
            self._failed()

    def _failed(self) -> None:
        if self.started:
            self._connection.hang_up()  # half an answer must not pass for a whole one
        else:
            self.keep_alive = False
            self.answer(500, ((b"content-length", b"0"),), b"")

    # The body, from the connection to the application.

    def take(self, body: bytes) -> bool:
        """Keep a part of the body. Tells whether the client is to be read from any further."""
        self._expects = False  # it did not wait to be told
        if not self.body:
            self.body = body
        elif isinstance(self.body, bytearray):
            self.body += body
        else:
            self.body = bytearray(self.body + body)
        self.wake()
        return len(self.body) <= BODY_WAITING

    def wake(self) -> None:
        """Let `receive` look again."""
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def leave(self) -> None:
        """Take note that nobody waits for the answer."""
        self.gone = True
        self.wake()

    def body_at_hand(self) -> bytes | None:
        """Return the body if all of it has arrived, else None."""
        if not self.complete or self._delivered:
            return None
        self._delivered = True
        return bytes(self.body)

    async def receive(self) -> dict[str, Any]:
        """Return the next part of the body; after the last one, wait until the client has gone or has its answer."""
        if self._expects and not self.complete and not self.started:
            self._expects = False
            self._connection.write(heads.CONTINUE)
        while not (self.gone or self.answered or self.body or (self.complete and not self._delivered)):
            self._connection.read_on()
            self._news = asyncio.get_running_loop().create_future()
            try:
                await self._news
            finally:
                self._news = None
        if self.gone or self.answered or self._delivered:
            return {"type": "http.disconnect"}
        body, self.body = bytes(self.body), b""
        self._delivered = self.complete
        return {"type": "http.request", "body": body, "more_body": not self.complete}

    # The answer, from the application to the connection.

    def answer(self, status: int, fields: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
        """Send a whole answer whose header has been checked. False when another one has begun."""
        if self.started:
            return False
        self._settle(status)
        if not self.gone:
            head = heads.head(status, fields, b"" if self.keep_alive else heads.CLOSE)
            self._connection.write(head + body if body else head)
        self._end()
        return True

    async def send(self, message: Any) -> None:
        """Send a part of an answer. Raises ValueError for a header that cannot be sent, RuntimeError out of order."""
        if self.gone or self.answered:
            return
        kind, body = message["type"], message.get("body", b"")
        if kind == "http.response.start" and not self._status:
            self._status, self._fields = message["status"], heads.checked(message.get("headers", ()))
        elif kind == "http.response.body" and self._status:
            if not message.get("more_body", False) and not self.started:
                self._whole(body)
            else:
                await self._part(body, last=not message.get("more_body", False))
        else:
            raise RuntimeError(f"an answer has a start and then bodies, not {kind}")

    def _whole(self, body: bytes) -> None:
        fields = self._fields
        if self._status not in heads.BODILESS and not any(name == b"content-length" for name, _ in fields):
            fields.append((b"content-length", b"%d" % len(body)))
        bodiless = self._head or self._status in heads.BODILESS
        length = next((value for name, value in fields if name == b"content-length"), b"0")
        if not bodiless and length != b"%d" % len(body):
            raise RuntimeError("the body of an answer is not as long as its content-length says")
        self.answer(self._status, fields, b"" if bodiless else body)

    async def _part(self, body: bytes, *, last: bool) -> None:
        if not self.started:
            self._begin()
        if body and not self._head and self._status not in heads.BODILESS:
            self._write_part(body)
        if last:
            if self._left:
                raise RuntimeError("the body of an answer is shorter than its content-length says")
            if self._chunked:
                self._connection.write(b"0\r\n\r\n")
            self._end()
        else:
            await self._connection.written()

    def _write_part(self, body: bytes) -> None:
        if self._left is not None:
            self._left -= len(body)
            if self._left < 0:
                raise RuntimeError("the body of an answer is longer than its content-length says")
        self._connection.write(b"%x\r\n%b\r\n" % (len(body), body) if self._chunked else body)

    def _begin(self) -> None:
        """Send the head of an answer whose length nobody may know."""
        self._settle(self._status)
        length = next((value for name, value in self._fields if name == b"content-length"), None)
        more = b""
        if self._head or self._status in heads.BODILESS:
            pass
        elif length is not None:
            self._left = int(length)
        else:
            self._chunked = self._connection.takes_chunks
            self.keep_alive = self.keep_alive and self._chunked
            more = heads.CHUNKED if self._chunked else b""
        self._connection.write(heads.head(self._status, self._fields, more if self.keep_alive else more + heads.CLOSE))

    def _settle(self, status: int) -> None:
        """Decide whether another request may follow: not when nobody knows where it would begin."""
        self.started = True
        # guard: A69 a body that was never asked for is not waited for
        if status == _REQUEST_TIMEOUT or self.is_unasked:
            self.keep_alive = False

    def _end(self) -> None:
        self.answered = True
        self.body = b""
        if self._news is not None:
            self.wake()
        self._connection.answered(self)

    @property
    def is_unasked(self) -> bool:
        """Tell whether the client still waits to be told to send the body; most then do not send it."""
        return self._expects and not self.complete
