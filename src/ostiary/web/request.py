"""The request as plain values. It is parsed completely; only the body is read later, through ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, TypeVar

from ostiary.resource import codec
from ostiary.web.errors import BadRequest, HttpError
from ostiary.web.parameters import MULTIPART, parse_cookies, parse_multipart, parse_pairs

T = TypeVar("T")

BODY_LIMIT: Final = 65_536  # bytes: the default limit
BODY_SECONDS: Final = 30  # time limit for a whole body

AT_HAND: Final = "ostiary.at_hand"
"""The ASGI extension for a body that has already arrived: () -> octets, or None if it is incomplete."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class RequestState:
    """The state that rooms attach to a request: one value per class.

    Only the module that defines a class uses its value.
    """

    __slots__ = ("_by_class",)

    def __init__(self) -> None:
        self._by_class: dict[type[Any], Any] = {}

    def of(self, state_class: type[T]) -> T:
        """Return the value of a class. It is created, without arguments, on first use."""
        try:
            value: T = self._by_class[state_class]
        except KeyError:
            value = self._by_class[state_class] = state_class()
        return value


class Request:
    """A request.

    `path` is decoded and has no prefix. `headers` are by lower-case name. `client` is the address of the browser,
    according to trusted proxies. `own_tls`: TLS was terminated by this process, not by a proxy. `state` is the state of
    rooms. Only the body needs I/O.
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
        """Return the GET request that would follow a redirect to this path and query. `state` is shared."""
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
        """The cookies by name, without repeated names."""
        if self._cookies is None:
            self._cookies = parse_cookies(self.headers.get("cookie", ""))
        return self._cookies

    @property
    def base_url(self) -> str:
        """Scheme, host and prefix, such as "https://id.example.org/auth", without a trailing slash."""
        return f"{self.scheme}://{self.host}{self.prefix}"

    @property
    def url(self) -> str:
        """The path and query as in the browser, with the prefix but without the origin."""
        address = self.prefix + self.path
        return f"{address}?{self.query}" if self.query else address

    def query_pairs(self) -> list[tuple[str, str]]:
        """Return the pairs of the query in order. Raises BadRequest."""
        return parse_pairs(self.query)

    def query_one(self, name: str) -> str | None:
        """Return the value of a query parameter, or None. Raises BadRequest if it is repeated."""
        values = [value for key, value in self.query_pairs() if key == name]
        if len(values) > 1:
            raise BadRequest("duplicate_parameter", "A parameter was sent more than once.")
        return values[0] if values else None

    async def body(self, limit: int = BODY_LIMIT) -> bytes:
        """Return the body, which is read once. Raises HttpError: 413 above `limit` bytes, 408 after a timeout."""
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
        length = self.headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit():
            raise BadRequest("malformed_header", "Content-Length is not a number.")
        # guard: A69 request bodies have a size limit
        if int(length) > limit:
            raise _too_large()
        chunks: list[bytes] = []
        size = 0
        assert self._receive is not None  # noqa: S101 - a request has either a body or a receive function
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise BadRequest("disconnected", "The client disconnected.")
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                raise _too_large()
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)

    async def form(self, limit: int = BODY_LIMIT, *, files: bool = False) -> list[tuple[str, str]]:
        """Return the pairs of a form in order. Raises HttpError: 415 for another content type, 400, 408, 413.

        With `files` the form may have some; their values are data URLs.
        """
        if files and self.content_type == MULTIPART:
            return parse_multipart(await self.body(limit), self.headers.get("content-type", ""))
        if self.content_type != "application/x-www-form-urlencoded":
            raise HttpError(415, "unsupported_media_type", "Expected a form.")
        body = await self.body(limit)
        try:
            return parse_pairs(body.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise BadRequest("malformed_encoding", "The form is not valid UTF-8.") from error

    async def json(self, limit: int = BODY_LIMIT) -> object:
        """Return the JSON body. Raises HttpError: 415 for another content type, 400, 408, 413."""
        # guard: A40 the executor accepts JSON only
        if self.content_type != "application/json":
            raise HttpError(415, "unsupported_media_type", "Expected application/json.")
        try:
            return codec.decode(await self.body(limit))
        except ValueError as error:
            raise BadRequest("parse_error", "The body is not valid JSON.") from error

    @property
    def content_type(self) -> str:
        """The media type without its parameters, in lower case; "" if there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def _too_large() -> HttpError:
    return HttpError(413, "too_large", "The request is too large.")
