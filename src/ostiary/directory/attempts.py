"""The sign-in throttle: failures counted by account and by address, answered by a wait that grows.

An account waits after 10 failures within 15 minutes: 30 seconds, then twice as long each time, at most 15 minutes. An
address (an IPv6 network of 64 bit) waits after 60. The account is the user whichever name was typed, else the typed
name with its case folded, kept as a hash because people type passwords into the wrong field.
"""

from __future__ import annotations

import hashlib
from typing import Final, cast

from ostiary.directory.case_key import case_key
from ostiary.record import dataclass
from ostiary.store.database import Database, Statement
from ostiary.store.sweeping import expired
from ostiary.web.addresses import address_key

SECOND: Final = 1_000_000
WINDOW: Final = 900 * SECOND  # microseconds
ACCOUNT_LIMIT: Final = 10  # failures within the window
ADDRESS_LIMIT: Final = 60
FIRST_DELAY: Final = 30 * SECOND
DELAY_MOST: Final = 900 * SECOND

_OVER: Final = "directory_attempt.expires <= ?"
_COUNTED: Final = f"CASE WHEN {_OVER} THEN 1 ELSE directory_attempt.failures + 1 END"
_DELAY: Final = (
    f"CASE WHEN {_OVER} OR directory_attempt.failures + 1 < ? THEN 0"
    f" WHEN directory_attempt.delay = 0 THEN {FIRST_DELAY}"
    f" WHEN directory_attempt.delay * 2 > {DELAY_MOST} THEN {DELAY_MOST} ELSE directory_attempt.delay * 2 END"
)


@dataclass(frozen=True, slots=True)
class Account:
    """Whose sign-ins are counted: `user` when somebody was found, else what was `typed`."""

    user: int | None
    typed: str = ""

    @property
    def key(self) -> str:
        """The key of the counter."""
        if self.user is not None:
            return f"user:{self.user}"
        folded = case_key(self.typed).encode("utf-8", "surrogatepass")
        return "name:" + hashlib.sha256(folded).hexdigest()


class Attempts:
    """The counters of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def check(self, account: Account, address: str, now: int) -> int | None:
        """Return how many seconds to wait, or None to go on. Counts nothing."""
        rows = await self._database.fetch(
            "SELECT blocked_until FROM directory_attempt WHERE key IN (?, ?) AND blocked_until > ?",
            account.key,
            address_key(address),
            now,
        )
        if not rows:
            return None
        left = max(cast("int", row["blocked_until"]) for row in rows) - now
        return -(-left // SECOND)

    def failed(self, account: Account, address: str, now: int) -> list[Statement]:
        """Return the statements that count one failure."""
        return [_count(account.key, ACCOUNT_LIMIT, now), _count(address_key(address), ADDRESS_LIMIT, now)]

    def succeeded(self, account: Account, address: str, now: int) -> list[Statement]:  # noqa: ARG002 - the twin of failed
        """Return the statements that forgive the account. The address is not forgiven: it may be trying others."""
        return [Statement("DELETE FROM directory_attempt WHERE key = ?", (account.key,))]


def sweep(now: int) -> Statement:
    """Return the statement that forgets counters that are over."""
    return expired("directory_attempt", "key", now)


def _count(key: str, limit: int, now: int) -> Statement:
    # The window begins anew with each failure, behind the wait: who goes on guessing goes on waiting.
    return Statement(
        "INSERT INTO directory_attempt (key, failures, started, delay, blocked_until, expires)"
        " VALUES (?, 1, ?, 0, 0, ?)"
        f" ON CONFLICT (key) DO UPDATE SET failures = {_COUNTED}, delay = {_DELAY},"
        f" blocked_until = CASE WHEN {_OVER} OR directory_attempt.failures + 1 < ? THEN 0"
        f" ELSE CAST(? AS BIGINT) + {_DELAY} END,"
        f" started = excluded.started, expires = excluded.expires + {_DELAY}",
        (key, now, now + WINDOW, now, now, limit, now, limit, now, now, limit, now, limit),
    )
