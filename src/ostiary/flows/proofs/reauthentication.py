"""What a person has to prove again before a flow changes by what they sign in: their password, or a sign-in just now.

An open session is not enough: it may be somebody else who sits before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ostiary.directory.user import User
    from ostiary.flows.plans.plan import Proof
    from ostiary.sessions.session import Session

REAUTHENTICATE: Final = "flows.reauthenticate"
"""The step that asks, see `stages.password`."""
FRESH: Final = 300_000_000  # microseconds since the sign-in within which nothing is asked
SKEW: Final = 60_000_000  # microseconds: clocks of several servers may be apart; further ahead one was wrong
STALE: Final = "Sign in again before you change this."
SENSITIVE: Final = frozenset({"password", "username", "email"})
"""Fields of a person that decide who signs in as them."""


def is_proven(pk: int, *, context: Mapping[str, object], session: Session, proof: Proof | None, now: int) -> bool:
    """Return whether that person was proven in this very flow, made by it, or signed in to this session just now."""
    if "user_backend" in context:
        return True
    if session.user == pk:
        return session.auth_time is not None and -SKEW <= now - session.auth_time <= FRESH
    return proof is not None and proof.user == pk


def is_sensitive(user: User, values: Mapping[str, object]) -> bool:
    """Return whether these values change by what the person signs in."""
    changed = {name for name in SENSITIVE & values.keys() if values[name] != getattr(user, name)}
    return bool(changed)
