"""One session as a value, and how long it lives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final

from ostiary.record import dataclass

MINUTE: Final = 60_000_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

ANONYMOUS: Final = DAY  # microseconds a session without a person lives, as authentik does
BROWSER_ABSOLUTE: Final = DAY  # session_duration 0: ends with the browser, and at the latest then
BROWSER_IDLE: Final = 12 * HOUR
ABSOLUTE_DEFAULT: Final = 30 * DAY  # session_duration below zero is a mistake: this instead
ABSOLUTE_MOST: Final = 366 * DAY
IDLE_DEFAULT: Final = 7 * DAY  # of a session with a duration; a remembered one may idle to its end
TOUCH_EVERY: Final = MINUTE  # last_seen is written no more often


class SessionGone(Exception):
    """The session ended, or moved to a new id, while the request was answered. Start again politely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser session. Times are microseconds UTC; `key` is the SHA-256 of the id only the browser has."""

    key: bytes
    pk: str  # UUID, the name people and the API use
    created: int
    last_seen: int
    expires: int
    idle_expires: int
    idle: int  # microseconds it may rest
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
        """Tell whether neither of its two ends has come."""
        return now < self.expires and now < self.idle_expires


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a signed-in session lives, in microseconds."""

    absolute: int
    idle: int
    persistent: bool


def lifetime(duration: int, remember: int = 0) -> Lifetime:
    """Return the lifetime for a user_login stage's session_duration and a chosen remember_me_offset.

    No duration: the cookie ends with the browser, the session after 24 hours, or 12 hours of rest. A duration: that
    long, ended by 7 days of rest. Remembered: the offset is added, and the session may rest until its end.
    """
    if duration == 0 and remember <= 0:
        return Lifetime(BROWSER_ABSOLUTE, BROWSER_IDLE, persistent=False)
    asked = duration + max(remember, 0) if duration >= 0 else ABSOLUTE_DEFAULT
    absolute = min(asked, ABSOLUTE_MOST)
    return Lifetime(absolute, absolute if remember > 0 else min(absolute, IDLE_DEFAULT), persistent=True)
