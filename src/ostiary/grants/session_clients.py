"""The clients of a browser session. They are notified of its logout (OpenID Connect Back-Channel Logout 1.0, 2.5).

A client joins a session with its first authorization response and stays until the end of the session, regardless of the
lifetime of its tokens. The issuer is stored too, because an installation may have several host names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import cast

from ostiary.grants.family import Authorization
from ostiary.record import dataclass
from ostiary.resource.codec import decode, encode_canonical
from ostiary.store.database import Database, Statement, Value
from ostiary.store.hashing import new_token


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionClient:
    """A client of a session, with the identifiers issued to it: issuer, session id and subject."""

    provider: int
    user: int
    issuer: str
    sid: str
    sub: str


def join_session(item: Authorization, *, issuer: str) -> Iterable[Statement]:
    """Yield the statement that records the client of an authorization as a client of its session."""
    if item.session is None:
        return
    body = {
        "issuer": issuer,
        "provider": item.provider,
        "sid": item.sid or "",
        "sub": item.sub,
        "user": item.user,
    }
    yield Statement(
        "INSERT INTO session_party (id, session, provider, user_pk, body) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (session, provider, body) DO NOTHING",
        (new_token(128), item.session, item.provider, item.user, encode_canonical(body)),
    )


def load_session_client(body: Mapping[str, object]) -> SessionClient:
    """Return the client of a stored body. Raises KeyError for a missing member."""
    return SessionClient(
        provider=cast("int", body["provider"]),
        user=cast("int", body["user"]),
        issuer=cast("str", body["issuer"]),
        sid=cast("str", body["sid"]),
        sub=cast("str", body["sub"]),
    )


async def clients_of_session(database: Database, session: bytes) -> list[SessionClient]:
    """Return the clients of a session, in the order of their providers."""
    rows = await database.fetch("SELECT body FROM session_party WHERE session = ? ORDER BY provider, id", session)
    return [load_session_client(cast("Mapping[str, object]", decode(cast("str", row["body"])))) for row in rows]


def of_session(session: bytes, providers: Collection[int]) -> tuple[str, tuple[Value, ...]]:
    """Return the query, with its parameters, for `id` and `args` of a session's clients of these providers."""
    return _select("session", session, providers)


def of_user(user: int, providers: Collection[int]) -> tuple[str, tuple[Value, ...]]:
    """Return the same query for all sessions of a user."""
    return _select("user_pk", user, providers)


def forget_session(session: bytes) -> Statement:
    """Return the statement that deletes the clients of an ended session."""
    return Statement("DELETE FROM session_party WHERE session = ?", (session,))


def forget_user(user: int) -> Statement:
    """Return the statement that deletes the clients of all sessions of a user."""
    return Statement("DELETE FROM session_party WHERE user_pk = ?", (user,))


def move(old: bytes, new: bytes) -> Statement:
    """Return the statement that moves the clients to the new key of a session."""
    return Statement("UPDATE session_party SET session = ? WHERE session = ?", (new, old))


def _select(column: str, value: Value, providers: Collection[int]) -> tuple[str, tuple[Value, ...]]:
    marks = ", ".join("?" for _ in providers)
    sql = f"SELECT id, body AS args FROM session_party WHERE {column} = ? AND provider IN ({marks})"
    return sql, (value, *providers)
