"""The cookie that lets a browser skip the second factor for some time. It is valid for one user and one device."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from ostiary.flows.interface.stage_context import StageContext
from ostiary.flows.proofs import known_browser
from ostiary.record import dataclass
from ostiary.web.response import Response, set_cookie

if TYPE_CHECKING:
    from ostiary.directory.authenticators.device import Device
    from ostiary.directory.user import User
    from ostiary.seal import Secret
    from ostiary.web.request import Request

COOKIE: Final = "authentik_mfa"
_PARTS: Final = 3
_MAX_AGE: Final = 400 * 86_400  # seconds; as long as browsers keep a cookie: the threshold is looked at when it comes
_FUTURE: Final = 60_000_000  # microseconds a clock may be ahead


@dataclass(slots=True)
class _MfaCookie:
    """The cookie to set on the response: its value and lifetime in seconds."""

    cookie: tuple[str, int] | None = None


def remember(stage_context: StageContext, user: User, device: Device, *, threshold: int) -> None:
    """Set the cookie, with user, device and time. `threshold` is microseconds."""
    body = f"{device.uuid}.{stage_context.now}"
    value = f"{body}.{_sign(stage_context.services.cookie_key, user, body)}"
    stage_context.request.state.of(_MfaCookie).cookie = (value, max(1, threshold // 1_000_000))


def remembered(stage_context: StageContext, user: User, devices: list[Device], *, threshold: int) -> bool:
    """Return whether this browser verified one of these devices of the user within the threshold (microseconds)."""
    sent = stage_context.request.cookies.get(COOKIE, "")
    parts = _opened(sent, stage_context.services.cookie_key, user)
    if parts is None:
        return False
    age = stage_context.now - int(parts[1])
    return -_FUTURE <= age < threshold and any(device.uuid == parts[0] for device in devices)


def renew(request: Request, key: Secret, *, before: User, after: User | None) -> None:
    """Renew the cookie when the sign-in of this browser, just committed, ended all other proofs.

    Device and time stay the same.
    """
    notes = request.state.of(_MfaCookie)
    value, seconds = notes.cookie or (request.cookies.get(COOKIE, ""), _MAX_AGE)
    parts = _opened(value, key, before)
    if after is not None and parts is not None:
        body = f"{parts[0]}.{parts[1]}"
        notes.cookie = (f"{body}.{_sign(key, after, body)}", seconds)


def give_cookies(request: Request, response: Response) -> None:
    """Add the cookies of flows to the response. The site calls this for every response."""
    known_browser.give(request, response)
    notes = request.state.of(_MfaCookie)
    if notes.cookie is not None:
        (value, seconds), notes.cookie = notes.cookie, None
        path, secure = request.prefix + "/", request.scheme == "https"
        set_cookie(response, COOKIE, value, max_age=seconds, path=path, secure=secure)


def _opened(value: str, key: Secret, user: User) -> tuple[str, str] | None:
    """Return device and time of a cookie that is valid for the current state of this account."""
    parts = value.split(".")
    if len(parts) != _PARTS or not parts[1].isascii() or not parts[1].isdigit():
        return None
    signed = _sign(key, user, f"{parts[0]}.{parts[1]}")
    if not hmac.compare_digest(signed.encode(), parts[2].encode("utf-8", "replace")):
        return None
    return parts[0], parts[1]


def _sign(key: Secret, user: User, body: str) -> str:
    # A new password ends what a browser remembers, and so does whatever else ends a proof.
    text = f"ostiary.mfa\0{user.stamp}\0{body}"
    return hmac.new(key.reveal().encode(), text.encode(), hashlib.sha256).hexdigest()
