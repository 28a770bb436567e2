"""The sign-in throttle: attempts are counted by name and by address, and failures lead to growing waits.

A name is throttled after 10 failures within 15 minutes: for 30 seconds, then twice as long each time, at most 15
minutes. An address is throttled after 60 failures (this is an IPv6 network of 64 bits; one of 56 bits after 120, one of
48 bits after 240). The key of a name's counter is the typed, case-folded name, of existing and of unknown users alike:
a throttle reveals neither which names exist nor which addresses belong to them. The key is hashed, because people type
passwords into the wrong field.

Known browsers (by a cookie) and known addresses of an account have their own counters. Strangers can neither exhaust
these nor lock the owner out.

An attempt is counted before its verification, by one statement that fails while a counter is throttled, and is
subtracted again on success. This limits concurrent guesses as well.
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
MAX_DELAY: Final = 900 * SECOND
KNOWN_FOR: Final = 30 * 86_400 * SECOND  # how long an address is known after a sign-in
SKEW: Final = 60 * SECOND  # between the clocks of several servers

_A: Final = "directory_attempt"
# A counter from the future was written by a wrong clock. It must not throttle anybody until then.
# guard: A34 a corrected clock leaves no user locked
_OVER: Final = f"({_A}.started + {_A}.delay <= excluded.started - {WINDOW} OR {_A}.started > excluded.started + {SKEW})"
_UNDER: Final = f"({_OVER} OR {_A}.failures + 1 < excluded.most)"
_DELAY: Final = (
    f"CASE WHEN {_UNDER} THEN 0 WHEN {_A}.delay = 0 THEN {FIRST_DELAY}"
    f" WHEN {_A}.delay * 2 > {MAX_DELAY} THEN {MAX_DELAY} ELSE {_A}.delay * 2 END"
)
_FREE: Final = f"({_A}.blocked_until <= excluded.started OR {_A}.blocked_until > excluded.started + {MAX_DELAY + SKEW})"
_COUNT: Final = (
    f" ON CONFLICT (key) DO UPDATE SET failures = CASE WHEN {_OVER} THEN 1 ELSE {_A}.failures + 1 END,"
    f" delay = {_DELAY}, blocked_until = CASE WHEN {_UNDER} THEN 0 ELSE excluded.started + {_DELAY} END,"
    f" started = excluded.started, most = excluded.most, expires = excluded.expires + {_DELAY} WHERE {_FREE}"
)
_ROW: Final = "(?, CAST(1 AS BIGINT), CAST(? AS BIGINT), 0, 0, CAST(? AS BIGINT), CAST(? AS BIGINT))"

Kind = Literal["name", "app"]


@dataclass(frozen=True, slots=True)
class Account:
    """The account of an attempt: the `typed` name, and the `user` with that name, if any.

    `kind` separates pages from app passwords: guesses at app passwords lock nobody out of the pages.
    """

    user: int | None
    typed: str
    kind: Kind = "name"

    @property
    def key(self) -> str:
        """The key of the counter shared by all unknown browsers and addresses."""
        # guard: A42 a throttle's wait does not reveal a user's known addresses
        return _named(self.kind, self.typed)

    def known(self, origin: str) -> str:
        """The key of the counter of a known browser or address."""
        return f"known:{self.user}:{self.kind}:{origin}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A counted attempt, with the sorted keys of its counters. `own` is the key of a known browser or address."""

    account: Account
    address: str
    keys: tuple[str, ...]
    own: str | None


class Attempts:
    """The attempt counters of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, account: Account, address: str, now: int, *, browser: str | None = None) -> Attempt:
        """Count an attempt before its verification. Raises Throttled; then it is not counted.

        `browser` is the key of a known browser: one with a proof of an earlier sign-in to the account.
        """
        reading = _reading(account, address, now, browser)
        rows = await self._database.fetch(reading.sql, *reading.parameters)
        blocked = {cast("str", row["key"]): cast("int", row["blocked_until"]) for row in rows}
        attempt = _attempt(account, address, blocked, browser)
        _require_free((blocked.get(key, 0) for key in attempt.keys), now)
        try:
            await self._database.write(lambda: _counting(attempt, now))
        except Throttled:  # a concurrent attempt was counted: read its wait
            rows = await self._database.fetch(reading.sql, *reading.parameters)
            _require_free([cast("int", row["blocked_until"]) for row in rows if row["key"] in attempt.keys], now)
            raise
        return attempt

    def begin_in_batch(self, account: Account, address: str, now: int) -> Batch[Attempt]:
        """Begin an attempt that is verified within the same batch. Attempts with one name are serialized.

        Only `failed` counts it. Raises Throttled.
        """
        if self._database.dialect == "postgresql":  # on SQLite there is one writer
            yield Statement("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", (account.key,))
        result = yield _reading(account, address, now, None)
        blocked = {cast("str", row["key"]): cast("int", row["blocked_until"]) for row in result}
        attempt = _attempt(account, address, blocked, None)
        _require_free((blocked.get(key, 0) for key in attempt.keys), now)
        return attempt

    def failed(self, attempt: Attempt, now: int) -> Batch[Result]:
        """Count a failed attempt of `begin_in_batch`."""
        return (yield _count(attempt, now))

    def succeeded(self, attempt: Attempt) -> list[Statement]:
        """Return the statement that subtracts a successful attempt, and resets the counter of the account.

        Other failures of the address stay counted: it may be guessing at other accounts.
        """
        return [_subtraction(attempt, attempt.own or attempt.account.key)]

    async def cancel(self, attempt: Attempt) -> None:
        """Subtract an attempt that was not verified."""
        await self._database.write(lambda: run([_subtraction(attempt, "")]))


def known_address(account: Account, address: str, now: int) -> Statement:
    """Return the statement that records a known address of an account, after a sign-in from it."""
    return Statement(
        f"INSERT INTO {_A} (key, failures, started, delay, blocked_until, expires, most)"
        f" VALUES (?, 0, CAST(? AS BIGINT), 0, 0, CAST(? AS BIGINT), {ACCOUNT_LIMIT})"
        f" ON CONFLICT (key) DO UPDATE SET failures = 0, delay = 0, blocked_until = 0, expires = excluded.expires",
        (account.known(address_key(address)), now, now + KNOWN_FOR),
    )


def lift(user: int, names: Sequence[str]) -> Iterable[Statement]:
    """Yield the statements that end every throttle of an account, for all its names. Its known addresses are kept."""
    keys = [_named(kind, name) for kind in ("name", "app") for name in names if name]
    yield Statement(f"DELETE FROM {_A} WHERE key IN ({', '.join('?' * len(keys))})", keys)
    yield Statement(
        f"UPDATE {_A} SET failures = 0, delay = 0, blocked_until = 0 WHERE key >= ? AND key < ?",
        (f"known:{user}:", f"known:{user};"),
    )


def sweep(now: int) -> Statement:
    """Return the statement that deletes expired counters."""
    return expired("directory_attempt", "key", now)


def _subtraction(attempt: Attempt, reset_key: str) -> Statement:
    marks = ", ".join("?" * len(attempt.keys))
    return Statement(
        f"UPDATE {_A} SET failures = CASE WHEN key = ? THEN 0 ELSE failures - 1 END, blocked_until = 0,"
        f" delay = CASE WHEN key = ? OR failures <= most OR delay <= {FIRST_DELAY} THEN 0 ELSE delay / 2 END"
        f" WHERE key IN ({marks}) AND failures > 0",
        (reset_key, reset_key, *attempt.keys),
    )


def _named(kind: str, typed: str) -> str:
    # guard: A63 spellings of a user name are counted together
    return f"{kind}:" + hashlib.sha256(case_key(typed).encode("utf-8", "surrogatepass")).hexdigest()


def _reading(account: Account, address: str, now: int, browser: str | None) -> Statement:
    keys = [account.key, *address_keys(address)]
    if account.user is not None:
        keys.append(account.known(browser or address_key(address)))
    marks = ", ".join("?" * len(keys))
    # A wait above the maximum was set by a wrong clock.
    bound = f"CASE WHEN blocked_until > CAST(? AS BIGINT) + {MAX_DELAY + SKEW} THEN 0 ELSE blocked_until END"
    return Statement(
        f"SELECT key, {bound} AS blocked_until FROM {_A} WHERE key IN ({marks}) AND expires > ?", (now, *keys, now)
    )


def _attempt(account: Account, address: str, blocked: Iterable[str], browser: str | None) -> Attempt:
    """Return an attempt with its counters: of a known browser, of a known address, or those of unknown origins."""
    # guard: A42 failures at other addresses do not lock out the owner
    if account.user is not None and browser is not None:
        own = account.known(browser)
        return Attempt(account, address, (own,), own)
    own = account.known(address_key(address))
    if account.user is not None and own in blocked:
        return Attempt(account, address, tuple(sorted((own, *address_keys(address)))), own)
    return Attempt(account, address, tuple(sorted((account.key, *address_keys(address)))), None)


def _require_free(waits: Iterable[int], now: int) -> None:
    remaining = max(waits, default=0) - now
    if remaining > 0:
        raise Throttled(-(-remaining // SECOND))


def _counting(attempt: Attempt, now: int) -> Batch[None]:
    yield _count(attempt, now)


def _count(attempt: Attempt, now: int) -> Statement:
    limits = dict(zip(address_keys(attempt.address), ADDRESS_LIMITS, strict=False))
    values: list[Value] = []
    for key in attempt.keys:  # sorted, so that two statements cannot deadlock
        life = KNOWN_FOR if key == attempt.own and len(attempt.keys) > 1 else WINDOW  # an address stays known
        values += (key, now, now + life, limits.get(key, ACCOUNT_LIMIT))
    rows = ", ".join(_ROW for _ in attempt.keys)
    # guard: A34 an attempt is counted before it is verified
    return Statement(
        f"INSERT INTO {_A} (key, failures, started, delay, blocked_until, expires, most) VALUES {rows}{_COUNT}",
        values,
        guard=Guard(lambda: Throttled(1), rows=len(attempt.keys)),
    )
