"""How a flow ends for somebody who does not get any further: refused, not let in, or saying no."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ostiary.events.refusals import Refusal
from ostiary.flows.run.challenge_frame import REFUSED, access_denied
from ostiary.flows.run.outcome import Moved, Outcome

if TYPE_CHECKING:
    from ostiary.flows.run.position import Position
    from ostiary.store.database import Statement

_NOT_NOW: Final = "You cannot use this flow now."


async def deny(
    at: Position,
    message: str,
    writes: Sequence[Statement] = (),
    *,
    later: bool,
    trace: Mapping[str, object] | None = None,
) -> Outcome:
    """End the plan with a refusal. With `later` it is kept for one look: another request shows it.

    `trace` is how policies came to it, as data, for the event.
    """
    challenge = await access_denied(at.stage_context(), message)
    writes = (*writes, *_refusal_event(at, message, trace))
    if later:
        scratch = {REFUSED: at.request.request_id}
        at.commit.keep(at.plan.to(denied=message, steps=(), scratch=scratch, errors={}, planned=True), writes)
    else:
        at.commit.add(writes)
        at.commit.drop()
    return challenge


async def not_applicable(
    at: Position, messages: Sequence[str], *, later: bool, trace: Mapping[str, object] | None = None
) -> Outcome:
    """Do what the flow says about whoever it does not apply to (`Flow.denied_action`). `trace` as in `deny`."""
    flow, plan, following = at.flow, at.plan, at.following
    # Whoever began this flow would begin it again at once: going there would never end.
    back = following is not None and following == plan.next_url
    if flow.designation == "authentication" and at.session.user is not None and not (back and plan.user):
        at.commit.drop()
        return Moved(following or at.home)
    message = " ".join(messages) or _NOT_NOW
    going = {"continue": True, "message_continue": following is not None and not back}
    if going.get(flow.denied_action, False):
        at.commit.add(_refusal_event(at, message, trace))
        at.commit.drop()
        return Moved(following if following is not None and not back else at.home)
    return await deny(at, message, later=later, trace=trace)


def _refusal_event(at: Position, message: str, trace: Mapping[str, object] | None) -> Sequence[Statement]:
    """Return the event of a refusal, unless there are too many; the log has its line."""
    application = at.plan.context.get("application")
    user, stage = _account(at), at.stage()
    row = at.services.refusals.note(
        Refusal(
            where=f"flow {at.flow.slug}",
            error="access_denied",
            reason=message,
            address=at.request.client,
            request_id=at.request.request_id,
            client=application if isinstance(application, dict) else None,
            user=user,
            named=at.session.user is None,
            stage=None if stage is None else stage.name,
            trace=trace,
            logger="ostiary.flows",
        ),
        now=at.now,
    )
    return () if row is None else (row,)


def _account(at: Position) -> Mapping[str, object] | None:
    """Return who is signed in, else whose name was given, if somebody has it."""
    if at.session.user is not None:
        return at.session.who
    pending = at.plan.context.get("pending_user")
    return pending if isinstance(pending, dict) and isinstance(pending.get("pk"), int) else None
