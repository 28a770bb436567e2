"""The request as plain values, parsed at the edge. Of ASGI only the unread body is left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, TypeVar

from ostiary.resource import codec
from ostiary.web.errors import BadRequest, HttpError
from ostiary.web.parameters import parse_cookies, parse_pairs

T = TypeVar("T")

BODY_LIMIT: Final = 65_536  # bytes, unless the handler asks for more
BODY_SECONDS: Final = 30  # a whole body must have arrived by then

AT_HAND: Final = "ostiary.at_hand"
"""The extension by which a server gives a body that has arrived as a whole: () -> octets, or None to wait for it."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class RequestState:
    """What rooms note on a request and its answer: one value of each class.

    A class of notes belongs to the module that defines it, and nobody else asks for it.
    """

    __slots__ = ("_by_class",)

    def __init__(self) -> None:
        self._by_class: dict[type[Any], Any] = {}

    def of(self, notes: type[T]) -> T:
        """Return the notes of that class, made without arguments on first use."""
        try:
            value: T = self._by_class[notes]
        except KeyError:
            value = self._by_class[notes] = notes()
        return value


class Request:
    """The request of a handler.

    `path` follows the prefix and is decoded; `headers` are by lower-case name; `client` is the address of the
    browser, as far as trusted proxies tell it; `base_url` ends without a slash. `own_tls`: it came over TLS that ends
    here, not at a proxy. `state` holds what rooms note on it. Every value but the body is at hand without I/O.
    """

    __slots__ = (
        "_at_hand",
        "_body",
        "_cookies",
        "_receive",
        "client",
        "headers",
        "host",
        "method",
        "own_tls",
        "params",
        "path",
        "prefix",
        "query",
        "request_id",
        "scheme",
        "state",
    )

    def __init__(
        self,
        *,
        method: str = "GET",
        path: str = "/",
        prefix: str = "",
        query: str = "",
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        client: str = "127.0.0.1",
        scheme: str = "http",
        host: str = "localhost",
        request_id: str = "0" * 32,
        body: bytes | None = None,
        receive: Receive | None = None,
        at_hand: Callable[[], bytes | None] | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.prefix = prefix
        self.query = query
        self.params: Mapping[str, str] = params or {}
        self.headers: Mapping[str, str] = headers or {}
        self.client = client
        self.scheme = scheme
        self.host = host
        self.request_id = request_id
        self.own_tls = False
        self.state = RequestState()
        self._body = b"" if body is None and receive is None else body
        self._receive = receive
        self._at_hand = at_hand
        self._cookies: Mapping[str, str] | None = None

    def moved(self, path: str, query: str) -> Request:
        """Return the GET request that a redirect there would lead to. `state` is shared."""
        moved = Request(
            path=path,
            prefix=self.prefix,
            query=query,
            headers=self.headers,
            client=self.client,
            scheme=self.scheme,
            host=self.host,
            request_id=self.request_id,
        )
        moved.own_tls = self.own_tls
        moved.state = self.state
        return moved

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies by name. A repeated name is absent."""
        if self._cookies is None:
            self._cookies = parse_cookies(self.headers.get("cookie", ""))
        return self._cookies

    @property
    def base_url(self) -> str:
        """Scheme, host and prefix, such as "https://id.example.org/auth"; never a slash at the end."""
        return f"{self.scheme}://{self.host}{self.prefix}"

    @property
    def url(self) -> str:
        """The path and query as the browser knows them, prefix included; never an origin."""
        address = self.prefix + self.path
        return f"{address}?{self.query}" if self.query else address

    def query_pairs(self) -> list[tuple[str, str]]:
        """Return the query's pairs in order. Raises BadRequest."""
        return parse_pairs(self.query)

    def query_one(self, name: str) -> str | None:
        """Return the one value of that name, or None. Raises BadRequest when it comes twice."""
        values = [value for key, value in self.query_pairs() if key == name]
        if len(values) > 1:
            raise BadRequest("duplicate_parameter", "A parameter was sent more than once.")
        return values[0] if values else None

    async def body(self, limit: int = BODY_LIMIT) -> bytes:
        """Return the body, read once. Raises HttpError: 413 over `limit` bytes, 408 after a timeout."""
        if self._body is None and self._at_hand is not None:
            self._body = self._at_hand()
        if self._body is None:
            try:
                # guard: A69 a request body has a time limit
                async with asyncio.timeout(BODY_SECONDS):
                    self._body = await self._read(limit)
            except TimeoutError:
                raise HttpError(408, "body_timeout", "The request did not arrive in time.") from None
        if len(self._body) > limit:
            raise _too_large()
        return self._body

    async def _read(self, limit: int) -> bytes:
        announced = self.headers.get("content-length", "0")
        if not announced.isascii() or not announced.isdigit():
            raise BadRequest("malformed_header", "Content-Length is not a number.")
        # guard: A69 request bodies have a size limit
        if int(announced) > limit:
            raise _too_large()
        chunks: list[bytes] = []
        size = 0
        assert self._receive is not None  # noqa: S101 - either a body or a receive was given
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise BadRequest("disconnected", "The client went away.")
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                raise _too_large()
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)

    async def form(self, limit: int = BODY_LIMIT) -> list[tuple[str, str]]:
        """Return the form's pairs in order. Raises HttpError: 415 for another content type, 400, 413."""
        if self.content_type != "application/x-www-form-urlencoded":
            raise HttpError(415, "unsupported_media_type", "Expected a form.")
        body = await self.body(limit)
        try:
            return parse_pairs(body.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise BadRequest("malformed_encoding", "The form is not valid UTF-8.") from error

    async def json(self, limit: int = BODY_LIMIT) -> object:
        """Return the JSON body. Raises HttpError: 415 for another content type, 400, 413."""
        # guard: A40 the executor accepts JSON only
        if self.content_type != "application/json":
            raise HttpError(415, "unsupported_media_type", "Expected application/json.")
        try:
            return codec.decode(await self.body(limit))
        except ValueError as error:
            raise BadRequest("parse_error", "The body is not valid JSON.") from error

    @property
    def content_type(self) -> str:
        """The media type without its parameters, in lower case; "" when none was sent."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def _too_large() -> HttpError:
    return HttpError(413, "too_large", "The request is too large.")
