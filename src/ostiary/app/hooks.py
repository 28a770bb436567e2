"""What rooms hang on the end of sessions and accounts: the same wherever they end, in every process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ostiary.events.session_events import login_event, logout_event
from ostiary.flows.engine import plans_end, plans_move, proofs_end
from ostiary.grants.cascades import on_session_end, on_session_moved, on_user_disabled
from ostiary.providers.oauth2.logout.backchannel import Notices
from ostiary.sessions.sessions import Hooks

if TYPE_CHECKING:
    from ostiary.store.configuration.plane import ConfigPlane
    from ostiary.store.database import Statement


def session_hooks(plane: ConfigPlane) -> Hooks:
    """Return the hooks of sessions. Clients are told before what they know the session by is forgotten."""
    return Hooks(
        on_begin=[login_event],
        on_move=[plans_move, on_session_moved],
        on_end=[plans_end, Notices(plane).on_session_end, on_session_end],
        on_logout=[logout_event],
        on_close=[proofs_end],
    )


def user_hooks(plane: ConfigPlane) -> list[Callable[[int, int], Iterable[Statement]]]:
    """Return what ends with an account that is disabled, given another password or signed out everywhere."""
    return [Notices(plane).on_user_ended, on_user_disabled]
