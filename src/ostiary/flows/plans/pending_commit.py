"""The uncommitted end of a flow. Only for flows and sign-on."""

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
    """The uncommitted end of a flow. The receiver commits it together with its own statements.

    `session` is the session of the flow, and `pending_session` the same one if it is not stored yet. `completion` is
    the completion key of the flow. It counts as proven, because only a passed flow has a pending commit with it.
    """

    session: Session
    statements: tuple[Statement, ...]
    completion: str | None = None
    pending_session: PendingSession | None = None


def pending_from(session: PendingSession) -> PendingCommit:
    """Return the pending commit of a new session."""
    return PendingCommit(session.session, session.statements, pending_session=session)


AnswerEnd = Callable[["Request", str, PendingCommit], Awaitable["Response | None"]]
"""Responds to a request (one of our paths) whose flow has just ended, and commits the end of the flow with it.

Returns None, and commits nothing, when no endpoint has the path or the browser must send the request itself. Raises
PlanChanged and SessionGone.
"""


async def no_responder(_request: Request, _to: str, _pending: PendingCommit) -> Response | None:
    """Return None: without sign-on, no endpoint responds."""
    return None


def first_responder(every: Iterable[AnswerEnd]) -> AnswerEnd:
    """Join several functions to one that returns the first response."""
    functions = tuple(every)

    async def answer_end(request: Request, to: str, pending: PendingCommit) -> Response | None:
        for function in functions:
            response = await function(request, to, pending)
            if response is not None:
                return response
        return None

    return answer_end
