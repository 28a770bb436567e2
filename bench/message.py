"""HTTP/1.1 as the load needs it: requests written once, answers cut out of a stream. No sockets."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_LAST_CHUNK: Final = b"\r\n0\r\n\r\n"
_WITHOUT_BODY: Final = (204, 304)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the raw head and the body (still in chunks when it was sent so)."""

    status: int
    head: bytes
    body: bytes

    def headers(self, name: str) -> list[str]:
        """Return all values of a header."""
        wanted = name.lower()
        lines = (line.partition(":") for line in self.head.decode("latin-1").split("\r\n")[1:])
        return [value.strip() for key, _, value in lines if key.lower() == wanted]

    def header(self, name: str) -> str:
        """Return the first value of a header, "" without one."""
        return next(iter(self.headers(name)), "")


def request(method: str, path: str, *, headers: Mapping[str, str] | None = None, body: str = "") -> bytes:
    """Return the octets of a request. The host is filled in by the connection: `{host}` stands for it."""
    lines = [f"{method} {path} HTTP/1.1", "Host: {host}"]
    lines.extend(f"{name}: {value}" for name, value in (headers or {}).items())
    if method == "POST":
        lines.append(f"Content-Length: {len(body.encode())}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def form(path: str, values: Mapping[str, str], *, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the octets of a form that is sent."""
    sent = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
    return request("POST", path, headers=sent, body=urlencode(values))


def basic(name: str, secret: str) -> dict[str, str]:
    """Return the header of RFC 6749 section 2.3.1."""
    pair = f"{quote(name, safe='')}:{quote(secret, safe='')}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def cut(buffer: bytes) -> tuple[Answer, bytes] | None:
    """Return the first whole answer of a stream and what follows it, None when more must come."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head, rest = buffer[:end], buffer[end + 4 :]
    status = int(head[9:12])
    found = _LENGTH.search(head)
    if found is not None:
        size = int(found[1])
    elif status in _WITHOUT_BODY:
        size = 0
    elif _CHUNKED.search(head):
        last = 0 if rest.startswith(b"0\r\n\r\n") else rest.find(_LAST_CHUNK)
        if last < 0:
            return None
        size = 5 if last == 0 and rest.startswith(b"0\r\n\r\n") else last + len(_LAST_CHUNK)
    else:
        size = 0
    if len(rest) < size:
        return None
    return Answer(status, head, rest[:size]), rest[size:]
