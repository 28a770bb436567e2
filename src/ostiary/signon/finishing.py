"""The end of a sign-on: what the protocol stores for its answer, in one batch with what the flow stores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ostiary.flows.interface.stage_context import Done, Refused, StageContext, Verdict
from ostiary.sessions.repository import lock
from ostiary.sessions.session import SessionGone
from ostiary.signon.access import NO_ACCESS, decide_access
from ostiary.store.workspace.commit import run
from ostiary.web.errors import HttpError

if TYPE_CHECKING:
    from ostiary.applications.resources import Application
    from ostiary.directory.user import Subject
    from ostiary.signon.context import SignOnContext
    from ostiary.store.database import Batch, Statement


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


async def finish_in_flow(
    stage_context: StageContext,
    own: Callable[[], Sequence[Statement]],
    *,
    subject: Subject,
    application: Application,
    facts: Mapping[str, object],
    drop: tuple[str, ...] = (),
    if_refused: Sequence[Statement] = (),
) -> Verdict:
    """Store what `own` returns where the flow goes on behind it: another program waits for the answer, not the browser.

    For a stage behind everything the person had to pass: it is written with the step of the flow. The policies are
    asked at this moment; `if_refused` is written with a no. `drop` are keys of the plan's context that end here.
    """
    access = await decide_access(
        subject=subject,
        application=application,
        snapshot=stage_context.snapshot,
        client_ip=stage_context.client,
        now=stage_context.now,
        evaluator=stage_context.services.evaluator,
        request=stage_context.request,
        facts=facts,
    )
    # guard: A58 no answer is left for another program without the policies
    if not access.allowed:
        return Refused(NO_ACCESS, (*access.events, *if_refused))
    return Done(drop=drop, writes=(lock(stage_context.session), *own(), *access.events))
