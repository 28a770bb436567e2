"""The denial of a flow: by a stage or policy, or because the flow is not applicable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ostiary.events.refusals import Refusal
from ostiary.flows.run.challenge_frame import REFUSED, access_denied
from ostiary.flows.run.outcome import FlowRedirect, Outcome

if TYPE_CHECKING:
    from ostiary.flows.run.run_state import RunState
    from ostiary.store.database import Statement

_NOT_NOW: Final = "You cannot use this flow now."


async def deny(
    state: RunState,
    message: str,
    writes: Sequence[Statement] = (),
    *,
    deferred: bool,
    trace: Mapping[str, object] | None = None,
) -> Outcome:
    """End the plan with a denial. With `deferred` the denied plan is stored until another request has shown it.

    `trace` is that of the policies, as data, for the event.
    """
    challenge = await access_denied(state.stage_context(), message)
    writes = (*writes, *_refusal_event(state, message, trace))
    if deferred:
        scratch = {REFUSED: state.request.request_id}
        state.commit.keep(state.plan.to(denied=message, steps=(), scratch=scratch, errors={}, planned=True), writes)
    else:
        state.commit.add(writes)
        state.commit.drop()
    return challenge


async def not_applicable(
    state: RunState, messages: Sequence[str], *, deferred: bool, trace: Mapping[str, object] | None = None
) -> Outcome:
    """Apply `Flow.denied_action` to a user for whom the flow is not applicable. `trace` as in `deny`."""
    flow, plan, following = state.flow, state.plan, state.following
    # The target would start this flow again at once, in an endless loop.
    back = following is not None and following == plan.next_url
    if flow.designation == "authentication" and state.session.user is not None and not (back and plan.user):
        state.commit.drop()
        return FlowRedirect(following or state.home)
    message = " ".join(messages) or _NOT_NOW
    going = {"continue": True, "message_continue": following is not None and not back}
    if going.get(flow.denied_action, False):
        state.commit.add(_refusal_event(state, message, trace))
        state.commit.drop()
        return FlowRedirect(following if following is not None and not back else state.home)
    return await deny(state, message, deferred=deferred, trace=trace)


def _refusal_event(state: RunState, message: str, trace: Mapping[str, object] | None) -> Sequence[Statement]:
    """Return the event of a denial, unless there are too many. It is always logged."""
    application = state.plan.context.get("application")
    user, stage = _account(state), state.stage()
    row = state.services.refusals.note(
        Refusal(
            where=f"flow {state.flow.slug}",
            error="access_denied",
            reason=message,
            address=state.request.client,
            request_id=state.request.request_id,
            client=application if isinstance(application, dict) else None,
            user=user,
            named=state.session.user is None,
            stage=None if stage is None else stage.name,
            trace=trace,
            logger="ostiary.flows",
        ),
        now=state.now,
    )
    return () if row is None else (row,)


def _account(state: RunState) -> Mapping[str, object] | None:
    """Return the signed-in user, else the pending user if there is such an account."""
    if state.session.user is not None:
        return state.session.who
    pending = state.plan.context.get("pending_user")
    return pending if isinstance(pending, dict) and isinstance(pending.get("pk"), int) else None
