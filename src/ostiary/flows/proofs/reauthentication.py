"""Reauthentication before a flow changes the user's credentials: by password, or by a recent sign-in.

An open session is not enough, because somebody else may use the unlocked device.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ostiary.directory.user import User
    from ostiary.flows.plans.plan import Proof
    from ostiary.sessions.session import Session

REAUTHENTICATE: Final = "flows.reauthenticate"
"""The name of the internal stage, see `stages.password`."""
FRESH: Final = 300_000_000  # microseconds since the sign-in within which nothing is asked
SKEW: Final = 60_000_000  # microseconds: clocks of several servers may be apart; further ahead one was wrong
STALE: Final = "Sign in again before you change this."
SENSITIVE: Final = frozenset({"password", "username", "email"})
"""Fields of a user with which they sign in."""


def is_proven(pk: int, *, context: Mapping[str, object], session: Session, proof: Proof | None, now: int) -> bool:
    """Return whether that user was proven or created in this flow, or signed in to this session recently."""
    if "user_backend" in context:
        return True
    if session.user == pk:
        return session.auth_time is not None and -SKEW <= now - session.auth_time <= FRESH
    return proof is not None and proof.user == pk


def is_sensitive(user: User, values: Mapping[str, object]) -> bool:
    """Return whether these values change the user's credentials."""
    changed = {name for name in SENSITIVE & values.keys() if values[name] != getattr(user, name)}
    return bool(changed)
