"""Outgoing connections, and POST requests.

A POST uses its own connection and reads only the status of the response. Redirects are not followed, the body is not
read, and the total time is limited. Private addresses are allowed, because administrators configure the URLs and
applications often run in private networks. For untrusted URLs, `connected(..., admits=is_public)` resolves the
host, requires a public address, and connects to exactly that address. TLS certificates are verified with the system's
authorities. For the fetching of documents see `documents`. Each request is a span of the work that goes on, and says so
to whom it asks (`traceparent`).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode, urlsplit

from ostiary.record import dataclass
from ostiary.spans import Span, span

if TYPE_CHECKING:
    import ssl

SECONDS: Final = 10.0  # in total
HEAD_LIMIT: Final = 16_384  # bytes of status line and headers
URL_LIMIT: Final = 2048  # characters

_FORM: Final = (("Content-Type", "application/x-www-form-urlencoded"),)
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\r?\n")
_CONTINUE: Final = 200  # statuses below are interim (RFC 9110 15.2)
_MAX_INTERIM: Final = 4
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Admits = Callable[[IPAddress], bool]
"""Tells whether a connection may go to an address."""


class OutgoingFailed(Exception):
    """The request failed, or had no valid response in time. The text says why, and does not contain the form."""


@dataclass(frozen=True, slots=True)
class RequestTarget:
    """A parsed URL. `path` includes the query, `authority` is the value of the Host header."""

    host: str
    port: int
    tls: bool
    authority: str
    path: str


def url_problem(url: str) -> str | None:
    """Return the problem of a URL for a POST ("expected ..."), or None."""
    try:
        target_of(url)
    except OutgoingFailed as error:
        return str(error)
    return None


async def post_form(url: str, pairs: Sequence[tuple[str, str]], *, seconds: float = SECONDS) -> int:
    """Post a form and return the status of the response. Raises OutgoingFailed."""
    return await post(url, urlencode(pairs).encode("ascii"), headers=_FORM, seconds=seconds)


async def post(
    url: str,
    body: bytes,
    *,
    headers: Sequence[tuple[str, str]],
    seconds: float = SECONDS,
    context: ssl.SSLContext | None = None,
) -> int:
    """Post octets and return the status of the response. Raises OutgoingFailed.

    `headers` are those of the body, and others of an operator's. `context` has other authorities than the system's.
    """
    target = target_of(url)
    try:
        # guard: A67 outgoing requests have a time limit
        async with asyncio.timeout(seconds):
            return await _exchange(target, body, headers, context)
    except TimeoutError:
        raise OutgoingFailed(f"no response within {seconds:g} seconds") from None
    except (OSError, EOFError, ValueError) as error:  # ValueError: a line is longer than the limit
        raise OutgoingFailed(f"{type(error).__name__}: {error}") from error


def target_of(url: str) -> RequestTarget:
    """Parse an http or https URL. Raises OutgoingFailed."""
    expected = "expected an absolute http or https address of visible ASCII characters, without user and fragment"
    if len(url) > URL_LIMIT or _VISIBLE.fullmatch(url) is None or "#" in url or "\\" in url:
        raise OutgoingFailed(expected)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise OutgoingFailed(expected) from error
    # guard: A67 outgoing requests use http and https only
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise OutgoingFailed(expected)
    tls = parts.scheme == "https"
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    return RequestTarget(
        parts.hostname,
        port or (443 if tls else 80),
        tls,
        parts.netloc,
        f"{path}?{parts.query}" if parts.query else path,
    )


@contextlib.asynccontextmanager
async def connected(
    target: RequestTarget, *, admits: Admits | None = None, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection for one request. `admits`: only to an address that it admits. `context` is one for TLS.

    Raises OutgoingFailed if the host has another address, OSError if the connection fails. The caller sets a timeout.
    """
    if not target.tls:
        context = None
    elif context is None:
        import ssl  # noqa: PLC0415 - loaded with the first https request

        context = ssl.create_default_context()
    # Connect to the verified address: a second look-up could return another one (DNS rebinding).
    # guard: A67 the connection goes to the verified address
    host = target.host if admits is None else await _verified_address(target, admits)
    reader, writer = await asyncio.open_connection(
        host, target.port, ssl=context, server_hostname=target.host if context is not None else None, limit=HEAD_LIMIT
    )
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await writer.wait_closed()


async def _verified_address(target: RequestTarget, admits: Admits) -> str:
    """Return an address of the host. Raises OutgoingFailed if any of its addresses is not admitted."""
    infos = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = [str(one[4][0]) for one in infos]
    for text in addresses:
        if not admits(ipaddress.ip_address(text.partition("%")[0])):
            raise OutgoingFailed("the host has a private address")
    if not addresses:
        raise OutgoingFailed("the host has no address")
    return addresses[0]


def is_public(address: IPAddress) -> bool:
    """Return whether an address is public. For an IPv6 transition address, the embedded IPv4 address decides."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return is_public(inner)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    # guard: A67 an untrusted address never leads into a private network
    return address.is_global and not address.is_multicast


@contextlib.contextmanager
def outgoing_span(method: str, target: RequestTarget) -> Iterator[tuple[Span, str]]:
    """Yield the span of a request, and the lines of its head that continue the trace."""
    with span(method, "client") as made:
        # guard: A73 a trace has the host of an outgoing request, not its path and query
        made.note("http.request.method", method)
        made.note("server.address", target.host)
        made.note("server.port", target.port)
        yield made, header_lines(made.headers())


def header_lines(headers: Sequence[tuple[str, str]]) -> str:
    """Return the lines of headers. Their values have no line breaks: they are ours, or were validated as settings."""
    return "".join(f"{name}: {value}\r\n" for name, value in headers)


async def _exchange(
    target: RequestTarget, body: bytes, headers: Sequence[tuple[str, str]], context: ssl.SSLContext | None
) -> int:
    with outgoing_span("POST", target) as (made, trace):
        async with connected(target, context=context) as (reader, writer):
            writer.write(
                f"POST {target.path} HTTP/1.1\r\nHost: {target.authority}\r\nUser-Agent: Ostiary\r\nAccept: */*\r\n"
                f"{header_lines(headers)}{trace}"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode("ascii")
                + body
            )
            await writer.drain()
            status = await _status(reader)
        made.note("http.response.status_code", status)
        return status


async def _status(reader: asyncio.StreamReader) -> int:
    for _ in range(_MAX_INTERIM):
        match = _STATUS.fullmatch(await reader.readline())
        if match is None:
            raise OutgoingFailed("the response is not HTTP")
        status = int(match.group(1))
        if status >= _CONTINUE:
            return status
        size = 0
        while (line := await reader.readline()) not in {b"\r\n", b"\n"}:
            size += len(line)
            if not line or size > HEAD_LIMIT:
                raise OutgoingFailed("the response has too many header lines")
    raise OutgoingFailed("the response has too many header lines")
