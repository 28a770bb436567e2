"""The session cookie: name, value, setting and clearing."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

from ostiary.record import dataclass
from ostiary.sessions.session import Session
from ostiary.web.request import Request
from ostiary.web.response import Response, set_cookie

COOKIE: Final = "authentik_session"
"""The cookie's name, as headless clients and outposts expect it."""

_ID_BYTES: Final = 32  # 256 bit
_FORM: Final = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieSettings:
    """The attributes of the cookie. `domain` None: host-only. `path` is the path prefix of the installation."""

    domain: str | None = None
    path: str = "/"


def new_id() -> str:
    """Return a new session id: 256 random bits as 43 URL-safe characters."""
    return secrets.token_urlsafe(_ID_BYTES)


def key_of(identifier: str) -> bytes:
    """Return the stored key of a session id: its SHA-256."""
    return hashlib.sha256(identifier.encode("ascii")).digest()


def cookie_key(request: Request) -> bytes | None:
    """Return the session key of the request's cookie. None if the cookie is missing, repeated or malformed."""
    value = request.cookies.get(COOKIE)
    return key_of(value) if value is not None and _FORM.fullmatch(value) else None


def set_session_cookie(
    request: Request, response: Response, *, identifier: str, session: Session, settings: CookieSettings
) -> None:
    """Set the cookie: HttpOnly, SameSite=Lax, Secure over https, and Max-Age only for a persistent session."""
    seconds = (session.expires - session.last_seen) // 1_000_000 if session.persistent else None
    set_cookie(
        response,
        COOKIE,
        identifier,
        max_age=seconds,
        path=settings.path,
        domain=settings.domain,
        secure=request.scheme == "https",
    )


def clear_session_cookie(request: Request, response: Response, *, settings: CookieSettings) -> None:
    """Clear the cookie in the browser."""
    set_cookie(
        response,
        COOKIE,
        "",
        max_age=0,
        path=settings.path,
        domain=settings.domain,
        secure=request.scheme == "https",
    )
