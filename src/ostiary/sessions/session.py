"""The session as a value, and its lifetime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final

from ostiary.record import dataclass

MINUTE: Final = 60_000_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

ANONYMOUS: Final = DAY  # lifetime of an anonymous session in microseconds, as in authentik
BROWSER_ABSOLUTE: Final = DAY  # session_duration 0: ends with the browser, at the latest after a day
BROWSER_IDLE: Final = 12 * HOUR
ABSOLUTE_DEFAULT: Final = 30 * DAY  # for a negative session_duration, which is a mistake
MAX_ABSOLUTE: Final = 366 * DAY
IDLE_DEFAULT: Final = 7 * DAY  # idle timeout of a session with a duration; a remembered one has none
TOUCH_EVERY: Final = MINUTE  # interval between writes of last_seen


class SessionGone(Exception):
    """The session ended or got a new id while the request was processed. The request must start again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser session. `key` is the SHA-256 of the id, which only the browser has. Times are in microseconds UTC."""

    key: bytes
    pk: str  # UUID, for people and the API
    created: int
    last_seen: int
    expires: int
    idle_expires: int
    idle: int  # idle timeout in microseconds
    persistent: bool  # whether the cookie outlives the browser
    user: int | None = None
    auth_time: int | None = None
    auth_method: str = ""
    auth_args: Mapping[str, object] = field(default_factory=dict)
    amr: tuple[str, ...] = ()
    address: str = ""
    user_agent: str = ""
    who: Mapping[str, object] = field(default_factory=dict)  # {"pk", "username", "email"} for the audit log
    data: Mapping[str, object] = field(default_factory=dict)

    def alive(self, now: int) -> bool:
        """Return whether the session has neither expired nor exceeded its idle timeout."""
        return now < self.expires and now < self.idle_expires


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The absolute and the idle timeout of a signed-in session, in microseconds."""

    absolute: int
    idle: int
    persistent: bool


def lifetime(duration: int, remember: int = 0) -> Lifetime:
    """Return the lifetime for a user_login stage's session_duration and remember_me_offset, in microseconds.

    Without a duration, the cookie ends with the browser, and the session after 24 hours or 12 idle hours. With a
    duration, the session ends after it, or after 7 idle days. If the user chose to be remembered, the offset is added
    and there is no idle timeout.
    """
    if duration == 0 and remember <= 0:
        return Lifetime(BROWSER_ABSOLUTE, BROWSER_IDLE, persistent=False)
    requested = duration + max(remember, 0) if duration >= 0 else ABSOLUTE_DEFAULT
    absolute = min(requested, MAX_ABSOLUTE)
    return Lifetime(absolute, absolute if remember > 0 else min(absolute, IDLE_DEFAULT), persistent=True)
