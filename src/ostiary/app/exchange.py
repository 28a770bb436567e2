"""One request and its answer: uvicorn's, with a short way for bodies that are there and answers that are whole.

uvicorn takes an answer in two messages and looks through each header with two expressions; a timer is made and
cancelled for each request. That is half of what a small answer costs. Here the site hands over a whole answer, which
it has checked, and one timer a connection watches its idleness. What is not whole goes uvicorn's own way.

These classes lean on uvicorn's insides; tests hold what they lean on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import httptools
from uvicorn.protocols.http.flow_control import service_unavailable
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from ostiary.web.asgi import WHOLE
from ostiary.web.request import AT_HAND

if TYPE_CHECKING:
    from collections.abc import Sequence

_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}
_CLOSE: Final = b"connection: close\r\n"
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})


class Exchange(RequestResponseCycle):
    """A request that is being answered."""

    def body_at_hand(self) -> bytes | None:
        """Return the body if all of it has arrived, else None."""
        return None if self.more_body else bytes(self.body)

    def answer(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
        """Send a whole answer, whose headers the site has checked. False when it must go the long way."""
        if self.waiting_for_100_continue and self.more_body and not self.body:
            # Nobody knows whether the body comes now (RFC 9110 10.1.1): a next request must not be read as it.
            self.keep_alive = False
        if self.flow.write_paused or self.response_started:
            return False
        self.response_started = self.response_complete = True
        if self.disconnected:
            return True
        lines = [STATUS_LINE[status]]
        for name, value in self.default_headers:
            lines += (name, b": ", value, b"\r\n")
        for name, value in headers:
            lines += (name, b": ", value, b"\r\n")
        if not self.keep_alive:
            lines.append(_CLOSE)
        lines += (b"\r\n", body)
        self.transport.write(b"".join(lines))
        self.waiting_for_100_continue = False
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, making exchanges, with one timer for idleness."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._idle_since: float | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._skipped = False  # the parser skips the body of the head that was read last, which asks for an upgrade

    def data_received(self, data: bytes) -> None:
        """Read what came. A client that asks for another protocol is answered in this one (RFC 9110 7.8).

        What follows a head with Upgrade the parser takes for the other protocol, and what comes after that for the
        next request: the body would be one. So another parser reads on, which is told how the body is framed.
        """
        self._unset_keepalive_if_required()
        rest: bytes | None = data
        try:
            while rest is not None:
                rest = self._read(rest)
        except httptools.HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self.send_400_response("Invalid HTTP request received.")

    def _read(self, data: bytes) -> bytes | None:
        """Feed the parser. Return what follows a head with Upgrade and is still to be read, else None."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._skipped = False
            self.parser = httptools.HttpRequestParser(_AfterHead(self))
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self.parser.feed_data(self._framing_head())
            end: int = upgrade.args[0]
            return data[end:]
        return None

    def _framing_head(self) -> bytes:
        """Return the head that was read last, reduced to what says where its body ends."""
        framing = (name + b": " + value + b"\r\n" for name, value in self.headers if name in _FRAMING)
        return b"POST / HTTP/%b\r\n%b\r\n" % (self.scope["http_version"].encode(), b"".join(framing))

    def on_message_complete(self) -> None:
        """Note the end of a body, unless it was skipped and is still to be read."""
        if not self._skipped:
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the timer go."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        """Make the exchange, and begin it unless another one is under way (as uvicorn does)."""
        version = self.parser.get_http_version()
        self._skipped = self.parser.should_upgrade()
        url = httptools.parse_url(self.url)
        scope: Any = self.scope
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["path"] = url.path.decode("ascii")  # the site decodes raw_path itself, strictly
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""
        full = self.limit_concurrency is not None and len(self.tasks) >= self.limit_concurrency
        before = self.cycle
        self.cycle = exchange = Exchange(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        scope["extensions"] = {WHOLE: exchange.answer, AT_HAND: exchange.body_at_hand}
        application: Any = service_unavailable if full else self.app
        running: object = before  # None before the first request, whatever uvicorn's annotation says
        if running is None or before.response_complete:
            self._start_asgi_task(exchange, application)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, application))

    def on_message_begin(self) -> None:
        """Begin a head."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        scope: Any = {  # the head's end brings the rest
            "type": "http",
            "asgi": _ASGI,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": self.root_path,
            "headers": self.headers,
            "state": self.app_state,
        }
        self.scope = scope

    def send_400_response(self, msg: str) -> None:
        """Tell of bytes that are no request, unless answers to others are still to come: it would be taken for one."""
        last: RequestResponseCycle | None = self.cycle
        if (
            last is None
            or last.response_complete
            or (last.more_body and not last.response_started and not self.pipeline)  # these are its own body
        ):
            super().send_400_response(msg)
        else:
            last.keep_alive = False  # the connection ends after those

    def _unset_keepalive_if_required(self) -> None:
        """Note that the connection is not idle. The timer goes on and looks when it is over."""
        self._idle_since = None

    def on_response_complete(self) -> None:
        """Go on with the next request that waits, or be idle."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            exchange, application = self.pipeline.pop()
            self._start_asgi_task(exchange, application)
            return
        self._idle_since = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._look_at_idleness)

    def _look_at_idleness(self) -> None:
        self._idle_timer = None
        if self._idle_since is None:
            return  # the end of the answer that is being made sets the next one
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left <= 0:
            self.timeout_keep_alive_handler()
        else:
            self._idle_timer = self.loop.call_later(left, self._look_at_idleness)


class _AfterHead:
    """Passes on what a parser reads, but for the first head: that has been passed on already."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol: Protocol | None = None
        self._later = protocol
        self.on_body = protocol.on_body
        self.on_message_complete = protocol.on_message_complete

    def on_message_begin(self) -> None:
        if self._protocol is not None:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self._protocol is not None:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._protocol is not None:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._protocol is not None:
            self._protocol.on_headers_complete()
        self._protocol = self._later
