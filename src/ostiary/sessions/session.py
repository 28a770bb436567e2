"""The session as a value, and its lifetime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final

from ostiary.record import dataclass

MINUTE: Final = 60_000_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

ANONYMOUS: Final = DAY  # microseconds of an anonymous session, as in authentik
BROWSER_ABSOLUTE: Final = DAY  # session_duration 0: ends with the browser, and after a day at the latest
BROWSER_IDLE: Final = 12 * HOUR
ABSOLUTE_DEFAULT: Final = 30 * DAY  # instead of a negative session_duration, which is a mistake
ABSOLUTE_MOST: Final = 366 * DAY
IDLE_DEFAULT: Final = 7 * DAY  # of a session with a duration; a remembered one has no idle timeout
TOUCH_EVERY: Final = MINUTE  # the interval between writes of last_seen


class SessionGone(Exception):
    """The session ended, or got a new id, while the request was processed. The request has to start again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser session. `key` is the SHA-256 of the id, which only the browser has. Times are microseconds UTC."""

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
        """Tell whether the session has neither expired nor idled out."""
        return now < self.expires and now < self.idle_expires


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The absolute and the idle timeout of a signed-in session, in microseconds."""

    absolute: int
    idle: int
    persistent: bool


def lifetime(duration: int, remember: int = 0) -> Lifetime:
    """Return the lifetime for a user_login stage's session_duration and a chosen remember_me_offset.

    No duration: the cookie ends with the browser, the session after 24 hours, or 12 idle hours. A duration: that long,
    or 7 idle days. Remembered: the offset is added, and there is no idle timeout.
    """
    if duration == 0 and remember <= 0:
        return Lifetime(BROWSER_ABSOLUTE, BROWSER_IDLE, persistent=False)
    requested = duration + max(remember, 0) if duration >= 0 else ABSOLUTE_DEFAULT
    absolute = min(requested, ABSOLUTE_MOST)
    return Lifetime(absolute, absolute if remember > 0 else min(absolute, IDLE_DEFAULT), persistent=True)
