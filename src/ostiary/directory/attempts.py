"""The sign-in throttle: attempts counted before they are judged, by name and by address, answered by a wait that grows.

A name waits after 10 failures within 15 minutes: 30 seconds, then twice as long each time, at most 15 minutes. An
address waits after 60 (an IPv6 network of 64 bit; of 56 bit after 120, of 48 bit after 240). The counter of a name is
that of the name as it was typed, with its case folded, whether somebody has it or not: so a wait does not tell which
names and addresses belong together. It is kept as a hash because people type passwords into the wrong field.

Whoever signed in to an account before has an allowance of their own there, by their browser (which proves it by a
cookie) or by their address: strangers can neither use it up nor lock them out.

An attempt is counted first, by one statement that fails when a counter waits, and taken back when it was right. So of
any number of guesses at the same time no more are judged than are allowed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final, Literal, cast

from ostiary.directory.case_key import case_key
from ostiary.directory.errors import Throttled
from ostiary.record import dataclass
from ostiary.store.database import Batch, Database, Guard, Result, Statement, Value
from ostiary.store.sweeping import expired
from ostiary.store.workspace.commit import run
from ostiary.web.addresses import address_key, address_keys

SECOND: Final = 1_000_000
WINDOW: Final = 900 * SECOND  # microseconds
ACCOUNT_LIMIT: Final = 10  # failures within the window
ADDRESS_LIMIT: Final = 60
ADDRESS_LIMITS: Final = (ADDRESS_LIMIT, 2 * ADDRESS_LIMIT, 4 * ADDRESS_LIMIT)  # as `web.addresses.NETWORKS`
FIRST_DELAY: Final = 30 * SECOND
DELAY_MOST: Final = 900 * SECOND
KNOWN_FOR: Final = 30 * 86_400 * SECOND  # an address counts as known since its last sign-in
SKEW: Final = 60 * SECOND  # clocks of several servers may be apart

_A: Final = "directory_attempt"
# A count of a time that has not come yet was made by a clock that was wrong; nothing waits for that time.
# guard: A34 a clock that was wrong locks no name afterwards
_OVER: Final = f"({_A}.started + {_A}.delay <= excluded.started - {WINDOW} OR {_A}.started > excluded.started + {SKEW})"
_UNDER: Final = f"({_OVER} OR {_A}.failures + 1 < excluded.most)"
_DELAY: Final = (
    f"CASE WHEN {_UNDER} THEN 0 WHEN {_A}.delay = 0 THEN {FIRST_DELAY}"
    f" WHEN {_A}.delay * 2 > {DELAY_MOST} THEN {DELAY_MOST} ELSE {_A}.delay * 2 END"
)
_FREE: Final = (
    f"({_A}.blocked_until <= excluded.started OR {_A}.blocked_until > excluded.started + {DELAY_MOST + SKEW})"
)
_COUNT: Final = (
    f" ON CONFLICT (key) DO UPDATE SET failures = CASE WHEN {_OVER} THEN 1 ELSE {_A}.failures + 1 END,"
    f" delay = {_DELAY}, blocked_until = CASE WHEN {_UNDER} THEN 0 ELSE excluded.started + {_DELAY} END,"
    f" started = excluded.started, most = excluded.most, expires = excluded.expires + {_DELAY} WHERE {_FREE}"
)
_ROW: Final = "(?, CAST(1 AS BIGINT), CAST(? AS BIGINT), 0, 0, CAST(? AS BIGINT), CAST(? AS BIGINT))"

Kind = Literal["name", "app"]


@dataclass(frozen=True, slots=True)
class Account:
    """Whose sign-ins are counted: as what was `typed`; `user` is who has that name, if anybody.

    `kind` keeps the doors apart: whoever guesses app passwords of programs locks nobody out of the pages.
    """

    user: int | None
    typed: str
    kind: Kind = "name"

    @property
    def key(self) -> str:
        """The key of the counter that all strangers share."""
        # guard: A42 a wait does not tell which address belongs to a name
        return _named(self.kind, self.typed)

    def known(self, what: str) -> str:
        """The key of a counter of their own: `what` is a browser or an address."""
        return f"known:{self.user}:{self.kind}:{what}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that was counted: by these keys in order, `own` among them when it is a known one's."""

    account: Account
    address: str
    keys: tuple[str, ...]
    own: str | None


class Attempts:
    """The counters of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, account: Account, address: str, now: int, *, browser: str | None = None) -> Attempt:
        """Count an attempt that is about to be judged. Raises Throttled while it has to wait; then nothing counts.

        `browser` names one that has proved it signed in to the account before.
        """
        reading = _reading(account, address, now, browser)
        rows = await self._database.fetch(reading.sql, *reading.parameters)
        found = {cast("str", row["key"]): cast("int", row["blocked_until"]) for row in rows}
        attempt = _attempt(account, address, found, browser)
        _check((found.get(key, 0) for key in attempt.keys), now)
        try:
            await self._database.write(lambda: _counting(attempt, now))
        except Throttled:  # another attempt was counted in between: how long is it?
            rows = await self._database.fetch(reading.sql, *reading.parameters)
            _check([cast("int", row["blocked_until"]) for row in rows if row["key"] in attempt.keys], now)
            raise
        return attempt

    def judge(self, account: Account, address: str, now: int) -> Batch[Attempt]:
        """Yield what begins an attempt that is judged within this very batch, so that nobody else is meanwhile.

        Nothing is counted yet: see `failed`. Raises Throttled.
        """
        if self._database.dialect == "postgresql":  # on SQLite there is one writer
            yield Statement("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", (account.key,))
        result = yield _reading(account, address, now, None)
        found = {cast("str", row["key"]): cast("int", row["blocked_until"]) for row in result}
        attempt = _attempt(account, address, found, None)
        _check((found.get(key, 0) for key in attempt.keys), now)
        return attempt

    def failed(self, attempt: Attempt, now: int) -> Batch[Result]:
        """Yield what counts an attempt of `judge` that was wrong."""
        return (yield _count(attempt, now))

    def succeeded(self, attempt: Attempt) -> list[Statement]:
        """Return the statement that takes back a right attempt, and forgives what the account's counter holds.

        What an address failed at elsewhere stays: it may be trying others.
        """
        return [_back(attempt, attempt.own or attempt.account.key)]

    async def give_back(self, attempt: Attempt) -> None:
        """Take back an attempt that nobody judged."""
        await self._database.write(lambda: run([_back(attempt, "")]))


def known_address(account: Account, address: str, now: int) -> Statement:
    """Return the statement that lets an address have an allowance of its own: the account was signed in to there."""
    return Statement(
        f"INSERT INTO {_A} (key, failures, started, delay, blocked_until, expires, most)"
        f" VALUES (?, 0, CAST(? AS BIGINT), 0, 0, CAST(? AS BIGINT), {ACCOUNT_LIMIT})"
        f" ON CONFLICT (key) DO UPDATE SET failures = 0, delay = 0, blocked_until = 0, expires = excluded.expires",
        (account.known(address_key(address)), now, now + KNOWN_FOR),
    )


def lift(user: int, names: Sequence[str]) -> Iterable[Statement]:
    """Yield what ends every wait of an account, by all its names. Known addresses stay known."""
    keys = [_named(kind, name) for kind in ("name", "app") for name in names if name]
    yield Statement(f"DELETE FROM {_A} WHERE key IN ({', '.join('?' * len(keys))})", keys)
    yield Statement(
        f"UPDATE {_A} SET failures = 0, delay = 0, blocked_until = 0 WHERE key >= ? AND key < ?",
        (f"known:{user}:", f"known:{user};"),
    )


def sweep(now: int) -> Statement:
    """Return the statement that forgets counters that are over."""
    return expired("directory_attempt", "key", now)


def _back(attempt: Attempt, forgiven: str) -> Statement:
    marks = ", ".join("?" * len(attempt.keys))
    return Statement(
        f"UPDATE {_A} SET failures = CASE WHEN key = ? THEN 0 ELSE failures - 1 END, blocked_until = 0,"
        f" delay = CASE WHEN key = ? OR failures <= most OR delay <= {FIRST_DELAY} THEN 0 ELSE delay / 2 END"
        f" WHERE key IN ({marks}) AND failures > 0",
        (forgiven, forgiven, *attempt.keys),
    )


def _named(kind: str, typed: str) -> str:
    return f"{kind}:" + hashlib.sha256(case_key(typed).encode("utf-8", "surrogatepass")).hexdigest()


def _reading(account: Account, address: str, now: int, browser: str | None) -> Statement:
    keys = [account.key, *address_keys(address)]
    if account.user is not None:
        keys.append(account.known(browser or address_key(address)))
    marks = ", ".join("?" * len(keys))
    # A wait longer than the longest was begun by a clock that was wrong.
    bound = f"CASE WHEN blocked_until > CAST(? AS BIGINT) + {DELAY_MOST + SKEW} THEN 0 ELSE blocked_until END"
    return Statement(
        f"SELECT key, {bound} AS blocked_until FROM {_A} WHERE key IN ({marks}) AND expires > ?", (now, *keys, now)
    )


def _attempt(account: Account, address: str, found: Iterable[str], browser: str | None) -> Attempt:
    """Return by which counters an attempt is judged: a known browser's own, a known address's own and its address's."""
    # guard: A42 a stranger does not lock out the owner
    if account.user is not None and browser is not None:
        own = account.known(browser)
        return Attempt(account, address, (own,), own)
    own = account.known(address_key(address))
    if account.user is not None and own in found:
        return Attempt(account, address, tuple(sorted((own, *address_keys(address)))), own)
    return Attempt(account, address, tuple(sorted((account.key, *address_keys(address)))), None)


def _check(waits: Iterable[int], now: int) -> None:
    left = max(waits, default=0) - now
    if left > 0:
        raise Throttled(-(-left // SECOND))


def _counting(attempt: Attempt, now: int) -> Batch[None]:
    yield _count(attempt, now)


def _count(attempt: Attempt, now: int) -> Statement:
    limits = dict(zip(address_keys(attempt.address), ADDRESS_LIMITS, strict=False))
    values: list[Value] = []
    for key in attempt.keys:  # in order, so that two statements never wait for each other
        life = KNOWN_FOR if key == attempt.own and len(attempt.keys) > 1 else WINDOW  # an address stays known
        values += (key, now, now + life, limits.get(key, ACCOUNT_LIMIT))
    rows = ", ".join(_ROW for _ in attempt.keys)
    # guard: A34 an attempt is counted before it is judged
    return Statement(
        f"INSERT INTO {_A} (key, failures, started, delay, blocked_until, expires, most) VALUES {rows}{_COUNT}",
        values,
        guard=Guard(lambda: Throttled(1), rows=len(attempt.keys)),
    )
