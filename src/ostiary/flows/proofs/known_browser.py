"""The known-browser cookie: which users signed in with this browser before.

It is random, durable and signed, and names accounts by keyed hashes. It grants no access: a known browser only has its
own throttle counter (`directory.attempts`) and its own place in the password queue (`directory.hash_queue`).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING, Final

from ostiary.directory.attempts import SKEW
from ostiary.record import dataclass
from ostiary.web.response import Response, set_cookie

if TYPE_CHECKING:
    from ostiary.directory.user import User
    from ostiary.seal import Secret
    from ostiary.web.request import Request

COOKIE: Final = "authentik_device"
MAX_LIFETIME: Final = 366 * 86_400_000_000  # microseconds
MAX_ACCOUNTS: Final = 8  # the last that signed in
_FORM: Final = re.compile(
    r"(?P<browser>[\w-]{22})\.(?P<until>[0-9]{1,18})\.(?P<tags>[0-9a-f]{16}(?:-[0-9a-f]{16}){0,7})\.(?P<mac>[0-9a-f]{64})",
    re.ASCII,
)


@dataclass(slots=True)
class _KnownBrowserCookie:
    """The cookie to set on the response: its value and lifetime in seconds."""

    cookie: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class KnownBrowser:
    """A known browser: its name, and the tags of its users, the most recent first."""

    name: str
    tags: tuple[str, ...]


def known_browser(request: Request, key: Secret, now: int) -> KnownBrowser | None:
    """Return the browser of a valid cookie."""
    match = _FORM.fullmatch(request.cookies.get(COOKIE, ""))
    # guard: A42 a client cannot forge the mark of a known browser
    if match is None or not hmac.compare_digest(_mac(key, match[0].rpartition(".")[0]), match["mac"]):
        return None
    until = int(match["until"])
    if not now < until <= now + MAX_LIFETIME + SKEW:
        return None
    return KnownBrowser(match["browser"], tuple(match["tags"].split("-")))


def name_for(browser: KnownBrowser | None, user: User | None, key: Secret) -> str | None:
    """Return the browser's name if that user signed in with it before, else None."""
    if browser is None or user is None or _tag(key, user) not in browser.tags:
        return None
    return browser.name


def remember(request: Request, user: User, key: Secret, *, duration: int, now: int) -> None:
    """Set the cookie for `duration` microseconds; 0 sets none."""
    if duration <= 0:
        return
    duration = min(duration, MAX_LIFETIME)
    before = known_browser(request, key, now)
    tag = _tag(key, user)
    tags = (tag, *(one for one in (before.tags if before is not None else ()) if one != tag))[:MAX_ACCOUNTS]
    name = before.name if before is not None else secrets.token_urlsafe(16)
    body = f"{name}.{now + duration}.{'-'.join(tags)}"
    request.state.of(_KnownBrowserCookie).cookie = (f"{body}.{_mac(key, body)}", max(1, duration // 1_000_000))


def give(request: Request, response: Response) -> None:
    """Add the cookie to the response, if there is one to set."""
    notes = request.state.of(_KnownBrowserCookie)
    if notes.cookie is not None:
        (value, seconds), notes.cookie = notes.cookie, None
        path, secure = request.prefix + "/", request.scheme == "https"
        set_cookie(response, COOKIE, value, max_age=seconds, path=path, secure=secure)


def _tag(key: Secret, user: User) -> str:
    return _signed(key, f"ostiary.device.account\0{user.uuid}")[:16]


def _mac(key: Secret, body: str) -> str:
    return _signed(key, f"ostiary.device\0{body}")


def _signed(key: Secret, text: str) -> str:
    return hmac.new(key.reveal().encode(), text.encode(), hashlib.sha256).hexdigest()
