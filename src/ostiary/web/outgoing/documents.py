"""Fetching of small JSON documents, such as the keys of an issuer.

Each GET uses its own connection (`requests.connected`). Redirects are not followed, the status must be 200, size and
time are limited, and the document is parsed only when it is complete.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ostiary.web.outgoing.requests import (
    HEAD_LIMIT,
    OutgoingFailed,
    RequestTarget,
    connected,
    header_lines,
    outgoing_span,
    target_of,
)

SECONDS: Final = 5.0  # in total
DOCUMENT_LIMIT: Final = 262_144  # bytes

_CHUNK: Final = 16_384  # bytes per read
_OK: Final = 200
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})


def document_url_problem(url: str) -> str | None:
    """Return the problem of the URL of a trusted document ("expected ..."), or None.

    It must use https, or http to this machine, because keys can be replaced on an unprotected connection.
    """
    try:
        target = target_of(url)
    except OutgoingFailed as error:
        return str(error)
    # guard: A67 keys are read over TLS, or from this machine
    if not target.tls and not _is_loopback(target.host):
        return "expected an https address, or an http one of this machine (localhost, 127.0.0.1, [::1])"
    return None


def _is_loopback(host: str) -> bool:
    """Return whether a host name or address is that of this machine. Names are not resolved."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def fetch_json(
    url: str, *, public: bool = False, limit: int = DOCUMENT_LIMIT, seconds: float = SECONDS
) -> object:
    """Fetch the document of a URL (see `document_url_problem`). Raises OutgoingFailed.

    `public` refuses private networks, for URLs that no administrator has configured. `limit` is in bytes.
    """
    body = await _fetch(url, {"Accept": "application/json"}, public=public, limit=limit, seconds=seconds)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise OutgoingFailed("the response is not JSON") from error


async def fetch_text(
    url: str, *, accept: str, headers: Mapping[str, str] = MappingProxyType({}), limit: int = DOCUMENT_LIMIT
) -> str:
    """Fetch a text in UTF-8, as `fetch_json` fetches. `headers` are added to the request. Raises OutgoingFailed."""
    body = await _fetch(url, {"Accept": accept, **headers}, public=False, limit=limit, seconds=SECONDS)
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise OutgoingFailed("the response is not UTF-8") from error


async def _fetch(url: str, headers: Mapping[str, str], *, public: bool, limit: int, seconds: float) -> bytes:
    expected = document_url_problem(url)
    if expected is not None:
        raise OutgoingFailed(expected)
    try:
        async with asyncio.timeout(seconds):
            return await _read(target_of(url), headers, public=public, limit=limit)
    except TimeoutError:
        raise OutgoingFailed(f"no response within {seconds:g} seconds") from None
    except (OSError, ValueError) as error:  # ValueError: a malformed host name
        raise OutgoingFailed(f"{type(error).__name__}: {error}") from error


class _ParsedResponse:
    """The parsed part of the response, filled by the parser's callbacks."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.framed = False  # the headers define the end of the body
        self.headers_done = False
        self.done = False

    def on_header(self, name: bytes, value: bytes) -> None:
        del value
        self.framed = self.framed or name.lower() in _FRAMING

    def on_headers_complete(self) -> None:
        self.headers_done = True

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.done = True


async def _read(target: RequestTarget, headers: Mapping[str, str], *, public: bool, limit: int) -> bytes:
    with outgoing_span("GET", target) as (made, trace):
        lines = header_lines(tuple(headers.items())) + trace
        status, body = await _answer(target, lines, public=public, limit=limit)
        made.note("http.response.status_code", status)
        if status != _OK:
            raise OutgoingFailed(f"the response has status {status}, expected {_OK}")
        return body


async def _answer(target: RequestTarget, lines: str, *, public: bool, limit: int) -> tuple[int, bytes]:
    import httptools  # noqa: PLC0415 - loaded on first use

    async with connected(target, public=public) as (reader, writer):
        writer.write(
            f"GET {target.path} HTTP/1.1\r\nHost: {target.authority}\r\nUser-Agent: Ostiary\r\n"
            f"{lines}Accept-Encoding: identity\r\nConnection: close\r\n\r\n".encode("ascii")
        )
        await writer.drain()
        response = _ParsedResponse()
        parser, head = httptools.HttpResponseParser(response), 0
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
        return parser.get_status_code(), bytes(response.body)
