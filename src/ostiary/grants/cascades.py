"""What ends grants from outside: a session, a person's account, time. Statements for others' batches."""

from __future__ import annotations

from collections.abc import Iterable

from ostiary.grants import counters, derived_tokens, device, session_clients
from ostiary.sessions.session import Session
from ostiary.store.database import Statement
from ostiary.store.sweeping import expired


def on_session_end(key: bytes, now: int) -> Iterable[Statement]:  # noqa: ARG001 - the shape of the sessions' hook
    """Yield what ends with a browser session: codes, access tokens, and refresh tokens without offline_access.

    Families with offline_access stay (OpenID Connect Back-Channel Logout 2.7), no longer tied to the session.
    """
    yield Statement("DELETE FROM grant_family WHERE session = ? AND offline = 0", (key,))
    yield Statement("UPDATE grant_family SET session = NULL WHERE session = ?", (key,))
    yield Statement("DELETE FROM refresh_token WHERE session = ?", (key,))
    # guard: A19 tokens without offline_access end with the session
    # guard: A41 a sign-out ends the access tokens
    yield Statement("DELETE FROM access_token WHERE session = ?", (key,))
    yield device.forget_session(key)
    yield session_clients.forget_session(key)


def on_session_moved(old: Session, new: Session) -> Iterable[Statement]:
    """Yield what lets grants follow a session that goes on under another key, for the same person only."""
    if old.user is None or old.user != new.user:
        return
    for table in ("grant_family", "refresh_token", "access_token"):
        yield Statement(f"UPDATE {table} SET session = ? WHERE session = ?", (new.key, old.key))
    yield device.move(old.key, new.key)
    yield session_clients.move(old.key, new.key)


def on_user_disabled(user: int, now: int = 0) -> Iterable[Statement]:  # noqa: ARG001 - the shape of directory's hook
    """Yield what ends with a person's account, or password: everything, offline or not."""
    yield Statement("DELETE FROM grant_family WHERE user_pk = ?", (user,))
    yield Statement("DELETE FROM refresh_token WHERE user_pk = ?", (user,))
    # guard: A58 disabling ends what was issued
    yield Statement("DELETE FROM access_token WHERE user_pk = ?", (user,))
    yield device.forget_user(user)
    yield session_clients.forget_user(user)


def sweep(now: int) -> Iterable[Statement]:
    """Yield what removes rows that expired, a bite each."""
    yield expired("grant_family", "id", now)
    yield expired("refresh_token", "hash", now)
    yield expired("access_token", "hash", now)
    yield derived_tokens.sweep()
    yield device.sweep(now)
    yield counters.sweep(now)
