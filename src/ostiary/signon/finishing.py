"""The end of a sign-on: what the protocol stores for its answer, in one batch with the end of the flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ostiary.sessions.repository import lock
from ostiary.sessions.session import SessionGone
from ostiary.store.workspace.commit import run
from ostiary.web.errors import HttpError

if TYPE_CHECKING:
    from ostiary.signon.context import SignOnContext
    from ostiary.store.database import Batch


class SessionEnded(HttpError):
    """The session ended while the request was on its way: nothing was stored."""

    def __init__(self) -> None:
        super().__init__(403, "session_ended", "Your session has ended. Try again.")


async def finish(context: SignOnContext, own: Callable[[], Batch[None]]) -> None:
    """Store what `own` yields, and the end of the flow with it. Only then the application may be answered.

    No protocol can leave out the policies: without their yes this raises RuntimeError. Raises SessionEnded, SessionGone
    when a session that begins here moved first, and what `own` raises.
    """
    # guard: A58 no protocol answers without evaluating the policies
    if not context.allowed:
        raise RuntimeError("a protocol answers for a person without asking the policies")
    session, _ = context.signed_in
    pending = context.pending
    pending_session = pending.pending_session if pending is not None else None

    def batch() -> Batch[None]:
        if pending is not None:
            yield from run(pending.statements)
        # guard: A41 nothing is stored for an ended session
        if pending_session is None:  # else the session is stored by this very batch
            yield lock(session)  # what is stored now either is seen by the end of the session, or is not stored
        yield from own()

    try:
        await context.services.database.write(batch)
    except SessionGone:
        if pending_session is not None:
            raise  # it moved before this sign-in: whoever took the answer looks again
        raise SessionEnded from None
    if pending_session is not None:
        context.services.sessions.committed(context.request, pending_session)
