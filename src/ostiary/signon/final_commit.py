"""The final commit of a sign-on: the rows of the protocol's response and of the flow, in one batch."""

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
    """The session ended during the request. Nothing was stored."""

    def __init__(self) -> None:
        super().__init__(403, "session_ended", "Your session has ended. Try again.")


async def finish(context: SignOnContext, own: Callable[[], Batch[None]]) -> None:
    """Commit the statements of `own` and the end of the flow. The protocol may respond only after that.

    Raises RuntimeError if the policies have not allowed access, so that no protocol can skip them. Raises SessionEnded,
    SessionGone when a new session got another id meanwhile, and what `own` raises.
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
        if pending_session is None:  # else this batch stores the session
            yield lock(session)  # either the end of the session sees these rows, or they are not stored
        yield from own()

    try:
        await context.services.database.write(batch)
    except SessionGone:
        if pending_session is not None:
            raise  # the session changed before this sign-in: the caller reads it again
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
    """Commit the statements of `own` from a stage, when another program waits for the response, not the browser.

    For a stage that runs after all others. The policies are evaluated here, and `if_refused` is written when they deny
    access. `drop` are keys to remove from the plan's context.
    """
    access = await decide_access(
        subject=subject,
        application=application,
        snapshot=stage_context.snapshot,
        client_ip=stage_context.client,
        now=stage_context.now,
        policy_services=stage_context.services.policy_services,
        request=stage_context.request,
        facts=facts,
    )
    # guard: A58 no answer is left for another program without the policies
    if not access.allowed:
        return Refused(NO_ACCESS, (*access.events, *if_refused))
    return Done(drop=drop, writes=(lock(stage_context.session), *own(), *access.events))
