"""One request and its whole response, on a connection of its own. Size is limited; the caller limits the time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from ostiary.record import dataclass
from ostiary.web.outgoing.requests import HEAD_LIMIT, OutgoingFailed, connected, header_lines, outgoing_span

if TYPE_CHECKING:
    from ostiary.web.outgoing.requests import Admits, RequestTarget

_CHUNK: Final = 16_384  # bytes per read
_FINAL: Final = 200  # statuses below are interim (RFC 9110 15.2)
_FRAMING: Final = frozenset({"content-length", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class OutgoingResponse:
    """A complete response. The names of headers are in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class _ParsedResponse:
    """The parsed part of the response, filled by the parser's callbacks. `bodiless`: it answers HEAD."""

    def __init__(self, *, bodiless: bool) -> None:
        self.body = bytearray()
        self.headers: list[tuple[str, str]] = []
        self.headers_done = False
        self.done = False
        self.parser: Any = None
        self._bodiless = bodiless

    @property
    def framed(self) -> bool:
        """Whether the headers define the end of the body."""
        return any(name in _FRAMING for name, _ in self.headers)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        if self.parser.get_status_code() >= _FINAL:
            self.headers_done = True
            self.done = self._bodiless
        else:
            self.headers.clear()

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.done = self.headers_done


async def exchange(
    method: str,
    target: RequestTarget,
    headers: Sequence[tuple[str, str]],
    body: bytes | None = None,
    *,
    limit: int,
    admits: Admits | None = None,
) -> OutgoingResponse:
    """Send a request and return the response, whatever its status. Redirects are not followed.

    `limit` is in bytes of the response's body. Raises OutgoingFailed, OSError, and ValueError for a malformed host.
    """
    with outgoing_span(method, target) as (made, trace):
        lines = header_lines(tuple(headers)) + trace
        if body is not None:
            lines += f"Content-Length: {len(body)}\r\n"
        head = (
            f"{method} {target.path} HTTP/1.1\r\nHost: {target.authority}\r\nUser-Agent: Ostiary\r\n"
            f"{lines}Accept-Encoding: identity\r\nConnection: close\r\n\r\n"
        )
        sent = head.encode("ascii") + (body or b"")
        response = await _answer(target, sent, admits=admits, limit=limit, bodiless=method == "HEAD")
        made.note("http.response.status_code", response.status)
        return response


async def _answer(
    target: RequestTarget, sent: bytes, *, admits: Admits | None, limit: int, bodiless: bool
) -> OutgoingResponse:
    import httptools  # noqa: PLC0415 - loaded on first use

    async with connected(target, admits=admits) as (reader, writer):
        writer.write(sent)
        await writer.drain()
        response = _ParsedResponse(bodiless=bodiless)
        response.parser = parser = httptools.HttpResponseParser(response)
        head = 0
        while not response.done:
            data = await reader.read(_CHUNK)
            if not data:
                break
            head += 0 if response.headers_done else len(data)
            try:
                parser.feed_data(data)
            except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
                raise OutgoingFailed("the response is not HTTP") from error
            # guard: A67 fetched documents have a size limit
            if len(response.body) > limit or (head > HEAD_LIMIT and not response.headers_done):
                raise OutgoingFailed("the response is too long")
        if not response.headers_done or (response.framed and not response.done):
            raise OutgoingFailed("the response is incomplete")
        return OutgoingResponse(parser.get_status_code(), tuple(response.headers), bytes(response.body))
