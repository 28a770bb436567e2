"""The events of sign-in and sign-out. The application adds them to the hooks of sessions."""

from __future__ import annotations

from collections.abc import Iterable

from ostiary.events.event import event
from ostiary.sessions.session import Session
from ostiary.store.database import Statement


def login_event(session: Session, now: int) -> Iterable[Statement]:
    """Return the `login` event of a new session, with its authentication method."""
    context: dict[str, object] = {"auth_method": session.auth_method, "auth_method_args": dict(session.auth_args)}
    return [_event("login", session, context, now)]


def logout_event(session: Session, now: int) -> Iterable[Statement]:
    """Return the `logout` event of a session; none for an anonymous session."""
    return [_event("logout", session, {}, now)] if session.user is not None else []


def _event(action: str, session: Session, context: dict[str, object], now: int) -> Statement:
    return event(
        action,
        user=session.who,
        app="authentik.events.signals",
        context={**context, "user_agent": session.user_agent},
        client_ip=session.address,
        now=now,
    )
