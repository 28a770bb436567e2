"""Reputation: a score for each account and address, lowered by failed sign-ins and raised by successful ones.

A score is between `LOWEST` and `HIGHEST`, and expires some time after its last change. Nothing is counted without a
reputation policy. Unknown usernames are not stored, because users type passwords there by mistake: their failures count
only for the address. For IPv6 the network of 64 bits counts, since one machine has all its addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from ostiary.store.database import Statement, fetch_one
from ostiary.store.migrations import Migration
from ostiary.store.sweeping import expired
from ostiary.web.addresses import address_key

if TYPE_CHECKING:
    from ostiary.sessions.session import Session
    from ostiary.store.database import Database

LOWEST: Final = -5
HIGHEST: Final = 5

SCORES: Final = Migration(
    number=110,
    room="policies",
    title="reputation",
    statements=(
        # `username` is empty for failures with a name that nobody has; `address` is a key of `web.addresses`.
        """CREATE TABLE policies_reputation (
            username {text} NOT NULL,
            address {text} NOT NULL,
            score {int} NOT NULL,
            updated {int} NOT NULL,
            expires {int} NOT NULL,
            PRIMARY KEY (username, address)
        )""",
        "CREATE INDEX policies_reputation_address ON policies_reputation (address)",
        "CREATE INDEX policies_reputation_expires ON policies_reputation (expires)",
    ),
)

_R: Final = "policies_reputation"
_SUM: Final = f"CASE WHEN {_R}.expires <= excluded.updated THEN 0 ELSE {_R}.score END + excluded.score"
_NOTE: Final = (
    f"INSERT INTO {_R} (username, address, score, updated, expires) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (username, address) DO UPDATE SET"
    f" score = CASE WHEN {_SUM} < {LOWEST} THEN {LOWEST} WHEN {_SUM} > {HIGHEST} THEN {HIGHEST} ELSE {_SUM} END,"
    " updated = excluded.updated, expires = excluded.expires"
)


class Reputation:
    """The scores. `lifetime` is the time until a score expires after its last change, in microseconds.

    `is_used` returns whether a policy uses scores now.
    """

    def __init__(self, database: Database, *, lifetime: int, is_used: Callable[[], bool]) -> None:
        self._database = database
        self._lifetime = lifetime
        self._is_used = is_used

    async def score(self, *, username: str | None, address: str | None, now: int) -> int:
        """Return the sum of the scores of an account, an address, or both. None leaves one out."""
        row = await fetch_one(
            self._database,
            f"SELECT COALESCE(SUM(score), 0) AS score FROM {_R} WHERE expires > ? AND (username = ? OR address = ?)",
            now,
            username or None,  # NULL equals nothing, and "" stands for the names that nobody has
            None if address is None else address_key(address),
        )
        return 0 if row is None else int(row["score"])

    def failed(self, username: str | None, address: str, *, now: int) -> Iterable[Statement]:
        """Yield the statement of a failed sign-in. `username` is None for a name that nobody has."""
        return self._changed(username or "", address, -1, now)

    def succeeded(self, session: Session, now: int) -> Iterable[Statement]:
        """Yield the statement of a sign-in."""
        return self._changed(str(session.who.get("username") or ""), session.address, 1, now)

    def _changed(self, username: str, address: str, by: int, now: int) -> Iterable[Statement]:
        if self._is_used():
            yield Statement(_NOTE, (username, address_key(address), by, now, now + self._lifetime))


def sweep(now: int) -> Statement:
    """Return the statement that deletes expired scores."""
    return expired(_R, "username, address", now)
