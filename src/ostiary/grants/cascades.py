"""Cascades: the statements that revoke grants at the end of a session or an account, and by expiry.

Other rooms run them in their own batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

from ostiary.grants import counters, derived_tokens, device_codes, session_clients
from ostiary.sessions.session import Session
from ostiary.store.database import Statement
from ostiary.store.sweeping import expired


def on_session_end(key: bytes, now: int) -> Iterable[Statement]:  # noqa: ARG001 - the signature of the hook
    """Yield the statements that revoke a session's grants: codes, access tokens, refresh tokens.

    Families with offline_access stay valid and are detached from the session (OpenID Connect Back-Channel Logout 2.7).
    """
    yield Statement("DELETE FROM grant_family WHERE session = ? AND offline = 0", (key,))
    yield Statement("UPDATE grant_family SET session = NULL WHERE session = ?", (key,))
    yield Statement("DELETE FROM refresh_token WHERE session = ?", (key,))
    # guard: A19 tokens without offline_access end with the session
    # guard: A41 a sign-out revokes the access tokens
    yield Statement("DELETE FROM access_token WHERE session = ?", (key,))
    yield device_codes.forget_session(key)
    yield session_clients.forget_session(key)


def on_session_moved(old: Session, new: Session) -> Iterable[Statement]:
    """Yield the statements that move grants to the new key of a session, if the user is the same."""
    if old.user is None or old.user != new.user:
        return
    for table in ("grant_family", "refresh_token", "access_token"):
        yield Statement(f"UPDATE {table} SET session = ? WHERE session = ?", (new.key, old.key))
    yield device_codes.move(old.key, new.key)
    yield session_clients.move(old.key, new.key)


def on_user_disabled(user: int, now: int = 0) -> Iterable[Statement]:  # noqa: ARG001 - the signature of the hook
    """Yield the statements that revoke all grants of a user, including offline ones.

    The user was disabled or deleted, or has a new password.
    """
    yield Statement("DELETE FROM grant_family WHERE user_pk = ?", (user,))
    yield Statement("DELETE FROM refresh_token WHERE user_pk = ?", (user,))
    # guard: A58 disabling a user revokes the issued tokens
    yield Statement("DELETE FROM access_token WHERE user_pk = ?", (user,))
    yield device_codes.forget_user(user)
    yield session_clients.forget_user(user)


SWEEPS: Final[Sequence[Callable[[int], Statement]]] = (
    partial(expired, "grant_family", "id"),
    partial(expired, "refresh_token", "hash"),
    partial(expired, "access_token", "hash"),
    lambda _now: derived_tokens.sweep(),
    device_codes.sweep,
    counters.sweep,
)
"""The functions that delete expired rows in batches."""
