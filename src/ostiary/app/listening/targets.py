"""The request target (RFC 9112 3.2)."""

from __future__ import annotations

from typing import Final

import httptools

_NO_SLASH: Final = b"*"


class TargetRefused(Exception):
    """The request is answered with `status`, and the connection closes."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def target(url: bytes, headers: list[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    """Return path and query as sent. Raises TargetRefused for an invalid target.

    The authority of an absolute target replaces the Host header in `headers` (RFC 9112 3.2.2). A fragment is invalid
    (RFC 9112 3.2), and programs disagree about its meaning.
    """
    if b"#" in url:
        raise TargetRefused(400)
    if url[:1] == b"/":
        path, _, query = url.partition(b"?")
        return path, query
    if url == _NO_SLASH:
        return url, b""
    try:
        parsed = httptools.parse_url(url)
    except httptools.HttpParserInvalidURLError:
        raise TargetRefused(400) from None
    if parsed.schema.lower() not in {b"http", b"https"} or not parsed.host or parsed.userinfo:
        raise TargetRefused(400)
    host = b"[%b]" % parsed.host if b":" in parsed.host else parsed.host
    authority = b"%b:%d" % (host, parsed.port) if parsed.port else host
    if sum(name == b"host" for name, _ in headers) > 1:
        raise TargetRefused(400)
    # guard: A47 the host of an absolute-form target is used
    headers[:] = [pair for pair in headers if pair[0] != b"host"]
    headers.append((b"host", authority))
    return parsed.path or b"/", parsed.query or b""
