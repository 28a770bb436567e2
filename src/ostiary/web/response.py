"""Responses and their constructors. Header names are lower case."""

from __future__ import annotations

from dataclasses import field
from typing import Final, Literal
from urllib.parse import quote

from ostiary.record import dataclass
from ostiary.resource import codec

# The reserved and unreserved characters of RFC 3986, and "%", because the URL is already encoded.
_URL_SAFE: Final = ":/?#[]@!$&'()*+,;=%-._~"


@dataclass(slots=True)
class Response:
    """A response. Headers are in order, and a name may be repeated (set-cookie)."""

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        """Return the last header with that lower-case name, or None."""
        return next((value for key, value in reversed(self.headers) if key == name), None)


def json(value: object, status: int = 200) -> Response:
    """Return a JSON response."""
    return Response(status, codec.encode(value), [("content-type", "application/json")])


def html(text: str, status: int = 200) -> Response:
    """Return an HTML response. The site adds the security headers and forbids caching."""
    return Response(status, text.encode("utf-8"), [("content-type", "text/html; charset=utf-8")])


def text(value: str, status: int = 200) -> Response:
    """Return a plain-text response."""
    return Response(status, value.encode("utf-8"), [("content-type", "text/plain; charset=utf-8")])


def redirect(url: str, status: Literal[301, 302, 303] = 302) -> Response:
    """Return a redirect: 302 for a GET, 303 after a POST. The caller validates the URL."""
    return Response(status, b"", [("location", quote(url, safe=_URL_SAFE))])


def empty(status: int = 204) -> Response:
    """Return a response without a body."""
    return Response(status)


def set_cookie(
    response: Response,
    name: str,
    value: str,
    *,
    max_age: int | None = None,
    path: str = "/",
    domain: str | None = None,
    secure: bool = False,
    http_only: bool = True,
    same_site: Literal["Lax", "Strict", "None"] = "Lax",
) -> None:
    """Add a cookie. `max_age` is in seconds. None: until the browser closes. 0: delete the cookie."""
    parts = [f"{name}={value}", f"Path={path}", f"SameSite={same_site}"]
    if max_age is not None:
        parts.append(f"Max-Age={max_age}")
    if domain:
        parts.append(f"Domain={domain}")
    if secure:
        parts.append("Secure")
    if http_only:
        parts.append("HttpOnly")
    response.headers.append(("set-cookie", "; ".join(parts)))
