"""The one request this program sends by itself: a form, posted to an address an administrator has entered.

Small on purpose: one POST on a connection of its own, the status of the answer and nothing else of it. Redirects are
not followed, the answer's body is not read, everything has to be done within a time. Private addresses are allowed:
the address is configuration, written by those who may change everything here, and applications at home live there.
TLS is verified against the system's authorities.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from ostiary.record import dataclass

SECONDS: Final = 10.0  # for everything together
HEAD_LIMIT: Final = 16_384  # bytes of status line and headers
URL_LIMIT: Final = 2048  # characters

_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\r?\n")
_CONTINUE: Final = 200  # statuses below are interim (RFC 9110 15.2)
_INTERIM_MOST: Final = 4


class OutgoingFailed(Exception):
    """The request could not be sent, or nothing sensible came back in time. The text says why, without the form."""


@dataclass(frozen=True, slots=True)
class _Target:
    host: str
    port: int
    tls: bool
    authority: str
    path: str


def check_url(url: str) -> str | None:
    """Return what was expected instead of an address that cannot be posted to, or None when it can."""
    try:
        _target(url)
    except OutgoingFailed as error:
        return str(error)
    return None


async def post_form(url: str, pairs: Sequence[tuple[str, str]], *, seconds: float = SECONDS) -> int:
    """Post a form and return the status of the answer. Raises OutgoingFailed."""
    target = _target(url)
    try:
        async with asyncio.timeout(seconds):
            return await _exchange(target, urlencode(pairs).encode("ascii"))
    except TimeoutError:
        raise OutgoingFailed(f"no answer within {seconds:g} seconds") from None
    except (OSError, EOFError, ValueError) as error:  # ValueError: a line longer than the limit
        raise OutgoingFailed(f"{type(error).__name__}: {error}") from error


def _target(url: str) -> _Target:
    expected = "expected an absolute http or https address of visible ASCII characters, without user and fragment"
    if len(url) > URL_LIMIT or _VISIBLE.fullmatch(url) is None or "#" in url or "\\" in url:
        raise OutgoingFailed(expected)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise OutgoingFailed(expected) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise OutgoingFailed(expected)
    tls = parts.scheme == "https"
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    return _Target(
        parts.hostname,
        port or (443 if tls else 80),
        tls,
        parts.netloc,
        f"{path}?{parts.query}" if parts.query else path,
    )


async def _exchange(target: _Target, body: bytes) -> int:
    context = None
    if target.tls:
        import ssl  # noqa: PLC0415 - most installations post to no https address before they are asked to

        context = ssl.create_default_context()
    reader, writer = await asyncio.open_connection(target.host, target.port, ssl=context, limit=HEAD_LIMIT)
    try:
        writer.write(
            f"POST {target.path} HTTP/1.1\r\nHost: {target.authority}\r\nUser-Agent: Ostiary\r\nAccept: */*\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode("ascii")
            + body
        )
        await writer.drain()
        return await _status(reader)
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await writer.wait_closed()


async def _status(reader: asyncio.StreamReader) -> int:
    for _ in range(_INTERIM_MOST):
        found = _STATUS.fullmatch(await reader.readline())
        if found is None:
            raise OutgoingFailed("the answer is not HTTP")
        status = int(found.group(1))
        if status >= _CONTINUE:
            return status
        size = 0
        while (line := await reader.readline()) not in {b"\r\n", b"\n"}:
            size += len(line)
            if not line or size > HEAD_LIMIT:
                raise OutgoingFailed("the answer does not come to an end")
    raise OutgoingFailed("the answer does not come to an end")
