"""Device codes (RFC 8628): a device requests authorization, a user enters its user code in a browser and decides.

One row is one request. It is "pending" until a browser session has claimed it by its user code and the user has
decided. It is then "granted" or "denied" until the device fetches the result, once. Both codes are stored as hashes.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Final, Literal, cast

from ostiary.grants.family import Authorization, insert_family, load_authorization
from ostiary.record import dataclass
from ostiary.resource.codec import decode, encode_canonical
from ostiary.store.database import Batch, Database, Guard, Row, Statement, fetch_one
from ostiary.store.sweeping import expired

SKEW: Final = 60_000_000  # microseconds between the clocks of several servers
WAIT: Final = 5_000_000  # microseconds: the polling interval (3.2), and its increment after an early poll (3.5)

_RETENTION: Final = 600_000_000  # microseconds after expiry

State = Literal["pending", "granted", "denied"]
_COLUMNS: Final = "hash, user_hash, provider, scope, issued, expires, state, session"


class Poll(enum.Enum):
    """The result of a poll without tokens (3.5)."""

    PENDING = "pending"
    TOO_EARLY = "too early"
    DENIED = "denied"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceGrant:
    """A device authorization request. Times are in microseconds UTC.

    `hash` is that of the device code, `user_hash` that of the user code.
    """

    hash: bytes
    user_hash: bytes
    provider: int
    scope: tuple[str, ...]
    issued: int
    expires: int
    state: State = "pending"
    session: bytes | None = None  # the browser session where the user code was entered


def begin_device(item: DeviceGrant) -> Statement:
    """Return the statement that stores a request. Raises Duplicate if the user code is taken."""
    return Statement(
        "INSERT INTO device_grant (hash, user_hash, provider, scope, issued, expires, wait, polled, state,"
        " offline, body) VALUES (?, ?, ?, ?, ?, ?, ?, 0, 'pending', 0, '')",
        (
            item.hash,
            item.user_hash,
            item.provider,
            " ".join(item.scope),
            item.issued,
            item.expires,
            WAIT,
        ),
    )


def drop_taken(user_hash: bytes, *, now: int) -> Statement:
    """Return the statement that deletes the expired request of a user code, so that the code can be used again."""
    return Statement("DELETE FROM device_grant WHERE user_hash = ? AND expires <= ?", (user_hash, now))


async def find_device(database: Database, user_hash: bytes, *, now: int) -> DeviceGrant | None:
    """Return the pending request of a user code. One round trip."""
    row = await fetch_one(
        database,
        f"SELECT {_COLUMNS} FROM device_grant WHERE user_hash = ? AND state = 'pending' AND expires > ?",
        user_hash,
        now,
    )
    return None if row is None else _load(row)


async def find_claimed(database: Database, user_hash: bytes, session: bytes, *, now: int) -> DeviceGrant | None:
    """Return the pending request of a user code, if this session has claimed it. One round trip."""
    pending = await find_device(database, user_hash, now=now)
    # guard: A13 a user code is bound to the session that entered it
    return pending if pending is not None and pending.session == session else None


def claim_device(item: DeviceGrant, session: bytes, *, error: type[Exception]) -> Statement:
    """Return the statement that claims a pending request for the session that entered its code. Raises `error`."""
    return Statement(
        "UPDATE device_grant SET session = ? WHERE hash = ? AND state = 'pending'", (session, item.hash), Guard(error)
    )


def approve_device(
    item: DeviceGrant, authorization: Authorization, *, now: int, expires: int, error: type[Exception]
) -> Iterable[Statement]:
    """Yield the statements that insert a family and grant a request. Raises `error` if it is no longer pending."""
    yield insert_family(authorization, now=now, expires=expires)
    yield Statement(
        "UPDATE device_grant SET state = 'granted', user_pk = ?, family = ?, offline = ?, body = ?"
        " WHERE hash = ? AND state = 'pending' AND session = ? AND expires > ?",
        (
            authorization.user,
            authorization.family,
            int(authorization.offline),
            encode_canonical(authorization.body()),
            item.hash,
            authorization.session,
            now,
        ),
        Guard(error),
    )


def deny_device(item: DeviceGrant) -> Statement:
    """Return the statement that denies a request."""
    return Statement("UPDATE device_grant SET state = 'denied' WHERE hash = ? AND state = 'pending'", (item.hash,))


def poll_device(code_hash: bytes, *, provider: int, now: int) -> Batch[Authorization | Poll]:
    """Consume a granted authorization, or return the state of the request."""
    # guard: A13 a device code is bound to its client
    rows = yield Statement(
        "DELETE FROM device_grant WHERE hash = ? AND provider = ? AND state = 'granted' AND expires > ?"
        " RETURNING provider, family, user_pk, session, offline, body",
        (code_hash, provider, now),
    )
    if len(rows):
        return _granted(rows[0])
    rows = yield Statement(
        "SELECT state, expires, polled, wait FROM device_grant WHERE hash = ? AND provider = ?", (code_hash, provider)
    )
    if not len(rows):
        return Poll.UNKNOWN
    row = rows[0]
    if row["expires"] <= now:
        return Poll.EXPIRED
    if row["state"] == "denied":
        return Poll.DENIED
    # A last poll in the future was recorded by a wrong clock.
    early = bool(row["polled"]) and -SKEW <= now - row["polled"] < row["wait"]
    yield Statement(
        "UPDATE device_grant SET polled = ?, wait = wait + ? WHERE hash = ?", (now, WAIT if early else 0, code_hash)
    )
    return Poll.TOO_EARLY if early else Poll.PENDING


def forget_session(key: bytes) -> Statement:
    """Return the statement that deletes the requests of an ended session: nobody can decide them any more."""
    return Statement("DELETE FROM device_grant WHERE session = ?", (key,))


def forget_user(user: int) -> Statement:
    """Return the statement that deletes a user's granted requests that no device has fetched yet."""
    return Statement("DELETE FROM device_grant WHERE user_pk = ?", (user,))


def move(old: bytes, new: bytes) -> Statement:
    """Return the statement that moves requests to the new key of a session."""
    return Statement("UPDATE device_grant SET session = ? WHERE session = ?", (new, old))


def sweep(now: int) -> Statement:
    """Return the statement that deletes requests ten minutes after expiry; until then devices get `expired_token`."""
    return expired("device_grant", "hash", now - _RETENTION)


def _load(row: Row) -> DeviceGrant:
    return DeviceGrant(
        hash=cast("bytes", row["hash"]),
        user_hash=cast("bytes", row["user_hash"]),
        provider=cast("int", row["provider"]),
        scope=tuple(cast("str", row["scope"]).split()),
        issued=cast("int", row["issued"]),
        expires=cast("int", row["expires"]),
        state=cast("State", row["state"]),
        session=cast("bytes | None", row["session"]),
    )


def _granted(row: Row) -> Authorization:
    return load_authorization(
        cast("Mapping[str, object]", decode(cast("str", row["body"]))),
        family=cast("str", row["family"]),
        provider=cast("int", row["provider"]),
        user=cast("int", row["user_pk"]),
        session=cast("bytes | None", row["session"]),
        offline=bool(row["offline"]),
    )
