"""The repository of sessions: every SQL statement of this room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

from ostiary.resource import codec
from ostiary.sessions.session import TOUCH_EVERY, Session, SessionGone
from ostiary.store.database import Batch, Database, Guard, Row, Statement, Value, fetch_one

_COLUMNS: Final = (
    "key, pk, created, last_seen, expires, idle_expires, idle, persistent, user_pk, auth_time, auth_method, auth_args,"
    " amr, address, user_agent, who, data"
)


async def load(database: Database, key: bytes, now: int) -> Session | None:
    """Return the session with this key, or None if it is missing or expired."""
    row = await fetch_one(
        database, f"SELECT {_COLUMNS} FROM session WHERE key = ? AND expires > ? AND idle_expires > ?", key, now, now
    )
    session = session_of(row) if row is not None else None
    return session if session is not None and session.alive(now) else None


async def of_user(database: Database, user: int, now: int) -> list[Session]:
    """Return the live sessions of a user, the most recently used first."""
    rows = await database.fetch(
        f"SELECT {_COLUMNS} FROM session WHERE user_pk = ? AND expires > ? AND idle_expires > ?"
        " ORDER BY last_seen DESC, pk",
        user,
        now,
        now,
    )
    return [session_of(row) for row in rows]


def insert(session: Session) -> Statement:
    """Return the statement that inserts a session."""
    values: Sequence[Value] = (
        session.key,
        session.pk,
        session.created,
        session.last_seen,
        session.expires,
        session.idle_expires,
        session.idle,
        int(session.persistent),
        session.user,
        session.auth_time,
        session.auth_method,
        codec.encode_canonical(session.auth_args),
        codec.encode_canonical(list(session.amr)),
        session.address,
        session.user_agent,
        codec.encode_canonical(session.who),
        codec.encode_canonical(session.data),
    )
    marks = "?, ?, ?, ?, ?, ?, ?, ?, CAST(? AS BIGINT), CAST(? AS BIGINT), ?, ?, ?, ?, ?, ?, ?"
    return Statement(f"INSERT INTO session ({_COLUMNS}) VALUES ({marks})", values)


def remove(key: bytes, *, must_exist: bool) -> Statement:
    """Return the statement that deletes a session. With `must_exist`, a missing one raises SessionGone."""
    return Statement("DELETE FROM session WHERE key = ?", (key,), guard=Guard(SessionGone) if must_exist else None)


def touch(session: Session, now: int) -> Statement:
    """Return the statement that extends the idle timeout. It has no effect if another request did so first."""
    return Statement(
        "UPDATE session SET last_seen = ?, idle_expires = ? WHERE key = ? AND (last_seen <= ? OR last_seen > ?)",
        (now, min(now + session.idle, session.expires), session.key, now - TOUCH_EVERY, now + TOUCH_EVERY),
    )


def replace_data(session: Session, data: Mapping[str, object]) -> Statement:
    """Return the statement that replaces a session's data. Raises SessionGone."""
    return Statement(
        "UPDATE session SET data = ? WHERE key = ?",
        (codec.encode_canonical(data), session.key),
        guard=Guard(SessionGone),
    )


def lock(session: Session) -> Statement:
    """Return the statement that locks a session's row for the transaction. Raises SessionGone."""
    return Statement("UPDATE session SET last_seen = last_seen WHERE key = ?", (session.key,), guard=Guard(SessionGone))


def keys_of_user(user: int) -> Batch[list[bytes]]:
    """Return the keys of all sessions of a user, as a batch."""
    rows = yield Statement("SELECT key FROM session WHERE user_pk = ?", (user,))
    return [row["key"] for row in rows]


def end_of_user(user: int, *, but: bytes | None = None) -> Statement:
    """Return the statement that deletes every session of a user, except the one with the key `but`."""
    if but is not None:
        return Statement("DELETE FROM session WHERE user_pk = ? AND key <> ?", (user, but))
    return Statement("DELETE FROM session WHERE user_pk = ?", (user,))


async def expired_keys(database: Database, now: int, *, most: int) -> list[bytes]:
    """Return the keys of expired sessions, at most `most`. The idle expiry is never later than the absolute one."""
    rows = await database.fetch(
        "SELECT key FROM session WHERE idle_expires <= ? ORDER BY idle_expires LIMIT ?", now, most
    )
    return [row["key"] for row in rows]


def remove_expired(key: bytes, now: int) -> Statement:
    """Return the statement that deletes a session if it is still expired."""
    return Statement("DELETE FROM session WHERE key = ? AND idle_expires <= ?", (key, now))


def session_of(row: Row) -> Session:
    """Return the session of a row."""
    return Session(
        key=row["key"],
        pk=row["pk"],
        created=row["created"],
        last_seen=row["last_seen"],
        expires=row["expires"],
        idle_expires=row["idle_expires"],
        idle=row["idle"],
        persistent=bool(row["persistent"]),
        user=row["user_pk"],
        auth_time=row["auth_time"],
        auth_method=row["auth_method"],
        auth_args=_object(row["auth_args"]),
        amr=tuple(cast("list[str]", codec.decode(row["amr"]))),
        address=row["address"],
        user_agent=row["user_agent"],
        who=_object(row["who"]),
        data=_object(row["data"]),
    )


def _object(text: Value) -> Mapping[str, object]:
    if text == "{}":
        return {}
    return cast("Mapping[str, object]", codec.decode(cast("str", text)))
