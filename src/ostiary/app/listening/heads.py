"""Heads of answers: status line, date and fields (RFC 9112 4 and 5, RFC 9110 6.6.1)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE: Final = b"connection: close\r\n"
CHUNKED: Final = b"transfer-encoding: chunked\r\n"
RETRY: Final = b"retry-after: 5\r\n"
BODILESS: Final = frozenset({204, 304})  # status codes without body and length

_LINES: Final = {one.value: f"HTTP/1.1 {one.value} {one.phrase}\r\ndate: ".encode() for one in HTTPStatus}
# Octets that a field must not contain (RFC 9110 5.5).
_UNSENDABLE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_UNSENDABLE_NAME: Final = re.compile(rb"[^!#$%&'*+.^_`|~0-9A-Za-z-]")

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

Fields = Iterable[tuple[bytes, bytes]]


class _Date:
    """The date line, cached for one second."""

    def __init__(self) -> None:
        self._second = -1
        self._text = b""

    def now(self) -> bytes:
        """Return the date with its line end."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._text = f"{http_date(second)}\r\n".encode()
        return self._text


_date: Final = _Date()


def http_date(second: int) -> str:
    """Return a time as an IMF-fixdate (RFC 9110 5.6.7). `email.utils` can do it, but brings nine modules along."""
    year, month, day, hour, minute, seconds, weekday, _, _ = time.gmtime(second)
    return f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year:04} {hour:02}:{minute:02}:{seconds:02} GMT"


def head(status: int, fields: Fields, more: bytes = b"") -> bytes:
    """Return a head with its empty line. `fields` are validated; `more` are complete lines."""
    lines = [_LINES.get(status) or f"HTTP/1.1 {status} \r\ndate: ".encode(), _date.now()]
    for name, value in fields:
        lines += (name, b": ", value, b"\r\n")
    lines += (more, b"\r\n")
    return b"".join(lines)


def empty_response(status: int) -> bytes:
    """Return an answer without a body that closes the connection."""
    more = RETRY if status == HTTPStatus.SERVICE_UNAVAILABLE else b""
    return head(status, ((b"content-length", b"0"),), more + CLOSE)


def require_sendable(fields: Fields) -> list[tuple[bytes, bytes]]:
    """Return the fields with lower-case names. Raises ValueError for a name or value with forbidden octets."""
    sendable = [(bytes(name).lower(), bytes(value)) for name, value in fields]
    for name, value in sendable:
        if not name or _UNSENDABLE_NAME.search(name) or _UNSENDABLE.search(value):
            raise ValueError("a header that cannot be sent")
    return sendable
