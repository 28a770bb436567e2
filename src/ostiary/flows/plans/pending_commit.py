"""The end of a flow that is not committed yet, and who takes it up. For flows and sign-on alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.sessions.session import Session
    from ostiary.sessions.sessions import PendingSession
    from ostiary.store.database import Statement
    from ostiary.web.request import Request
    from ostiary.web.response import Response


@dataclass(frozen=True, slots=True)
class PendingCommit:
    """The end of a flow that is not committed yet: whoever takes it up commits it together with what follows.

    `session` is the one it ended in, `pending_session` that same session when it is not stored yet. `completion` is
    the key the flow was begun with: holding this value is its proof.
    """

    session: Session
    statements: tuple[Statement, ...]
    completion: str | None = None
    pending_session: PendingSession | None = None


def pending_from(session: PendingSession) -> PendingCommit:
    """Return what is due when a session begins."""
    return PendingCommit(session.session, session.statements, pending_session=session)


TakeUp = Callable[["Request", str, PendingCommit], Awaitable["Response | None"]]
"""Answers the request to which a flow leads that has just ended (a path of ours), and commits that end with it.

None when nobody answers there, or the browser has to bring the request itself; then nothing was committed. Raises
PlanChanged and SessionGone.
"""


async def left_to_the_browser(_request: Request, _to: str, _pending: PendingCommit) -> Response | None:
    """Take up nothing."""
    return None


def first_taker(every: Iterable[TakeUp]) -> TakeUp:
    """Return one function for several: the first of them that answers."""
    functions = tuple(every)

    async def take_up(request: Request, to: str, pending: PendingCommit) -> Response | None:
        for function in functions:
            response = await function(request, to, pending)
            if response is not None:
                return response
        return None

    return take_up
