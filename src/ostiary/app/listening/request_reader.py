"""Requests as they arrive, read by the parser httptools.

The size of heads is limited; trailers are dropped, because they must not become headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import httptools

from ostiary.app.listening.exchange import Exchange
from ostiary.app.listening.targets import TargetRefused, target
from ostiary.web.asgi import WHOLE
from ostiary.web.request import AT_HAND

if TYPE_CHECKING:
    from ostiary.app.listening.endpoint import Endpoint
    from ostiary.app.listening.protocols import Receiver

HEAD_BYTES: Final = 65_536  # of an incomplete head; the site refuses complete ones much earlier
_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
_INSPECTED: Final = frozenset({b"expect", b"transfer-encoding"})
_VERSIONS: Final = ("1.1", "1.0")


class RequestReader:
    """The requests of one connection: the parser calls `on_...`, and the connection gets what was read."""

    __slots__ = (
        "_connection", "_endpoint", "_expects", "_head_bytes", "_head_just_began", "_headers", "_new", "_parser",
        "_skipped", "_url", "in_head", "on_body",
    )  # fmt: skip

    def __init__(self, connection: Receiver, endpoint: Endpoint) -> None:
        self._connection = connection
        self._endpoint = endpoint
        self.on_body = connection.receive_body
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._expects = False
        self._new = False  # the last head was one of HTTP/1.1
        self.in_head = True  # within a head, or before the first one
        self._head_just_began = True  # it began with the last data
        self._head_bytes = 0
        self._skipped = False  # the parser skips the body of this head, because of Upgrade

    def await_head(self) -> None:
        """Take what comes next for a head, unless one was begun."""
        if not self.in_head:
            self.in_head, self._head_just_began, self._head_bytes = True, False, 0

    def is_head_too_long(self, size: int) -> bool:
        """Count octets of a head that is not complete, and return whether they are too many."""
        if not self._head_just_began:
            self._head_bytes += size
        self._head_just_began = False
        return self._head_bytes > HEAD_BYTES

    def read(self, data: bytes) -> None:
        """Read data. Raises httptools.HttpParserError, whose context is a TargetRefused for what is refused here."""
        rest = self._feed(data)
        while rest:
            rest = self._feed(rest)

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
        version = b"1.1" if self._new else b"1.0"
        # guard: A71 a request with Upgrade may have a body
        framing = b"".join(b"%b: %b\r\n" % pair for pair in self._headers if pair[0] in _FRAMING)
        self._parser.feed_data(b"POST / HTTP/%b\r\n%b\r\n" % (version, framing))

    def on_message_begin(self) -> None:
        """Begin a head."""
        self.in_head = self._head_just_began = True
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
        if self.in_head:
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
            self._connection.input_closed
            or method == b"CONNECT"
            or (not new and any(name == b"transfer-encoding" for name, _ in headers))
        ):
            raise TargetRefused(400)
        path, query = target(self._url, headers)
        endpoint, connection = self._endpoint, self._connection
        # guard: A74 health pages have reserved connections
        if not endpoint.limits.allows_all_pages(connection) and b"/-/health/" not in path:
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
            "client": (connection.peer, 0),
            "server": endpoint.address,
            "state": {},
            "extensions": extensions,
        }
        exchange = Exchange(
            connection, scope, keep_alive=new and parser.should_keep_alive(), expects=new and self._expects
        )
        extensions[WHOLE], extensions[AT_HAND] = exchange.answer, exchange.body_at_hand
        self._new = connection.takes_chunks = new
        self.in_head = False
        self._skipped = parser.should_upgrade()
        connection.receive_request(exchange)

    def on_message_complete(self) -> None:
        """Pass on the end of a request, unless its body was skipped and is still to be read."""
        if not self._skipped:
            self._connection.receive_end()


class _AfterHead:
    """Forwards parser events, without those of the first head."""

    def __init__(self, reader: RequestReader) -> None:
        self._reader = reader
        self._active = False
        self.on_body = reader.on_body
        self.on_message_complete = reader.on_message_complete

    def on_message_begin(self) -> None:
        if self._active:
            self._reader.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self._active:
            self._reader.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._active:
            self._reader.on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._active:
            self._reader.on_headers_complete()
        self._active = True
