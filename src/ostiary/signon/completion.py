"""Completions: whether one of our flows was passed, or declined, for exactly this request."""

from __future__ import annotations

from ostiary.flows.plans.flow_start import beside_proof
from ostiary.flows.run.decline import declined_proof
from ostiary.signon.context import AUTHORIZE, DECLINED, SIGN_IN, Arrival, CannotContinue, SignOnContext
from ostiary.web.errors import HttpError


async def is_declined(context: SignOnContext) -> bool:
    """Return whether the user declined. The proof is consumed."""
    if context.returning_from != DECLINED or context.pending is not None:
        return False
    session, subject = context.signed_in
    no = declined_proof(context.consent_proof(subject.user.pk))
    return await context.services.engine.completed(session, no, now=context.now)


class AuthorizationDeclined(HttpError):
    """The user declined the authorization."""

    def __init__(self) -> None:
        super().__init__(403, "access_denied", "You did not allow it.")


async def require_arrival(context: SignOnContext) -> None:
    """Set `arrival` to the flow that was passed for this request.

    Raises AuthorizationDeclined, and what `find_arrival` raises.
    """
    if await is_declined(context):
        raise AuthorizationDeclined
    await find_arrival(context)


async def find_arrival(context: SignOnContext) -> None:
    """Set `arrival` to the flow that was passed for this request. The proof is consumed.

    Raises the error in `expired` if the request is too old to start a flow, and CannotContinue at the end of another
    flow.
    """
    _, subject = context.signed_in
    if context.returning_from == SIGN_IN:
        key, arrival = context.sign_in_proof(), Arrival.SIGNED_IN
    elif context.returning_from == AUTHORIZE:
        key, arrival = context.consent_proof(subject.user.pk), Arrival.RESUMED
    else:
        key, arrival = "", Arrival.FIRST
    if await _is_proven(context, key):
        context.arrival = arrival
    if context.expired is not None and context.arrival is Arrival.FIRST:
        if not await _began_here(context):
            raise context.expired
        context.expired = None


async def _is_proven(context: SignOnContext, key: str) -> bool:
    """Return whether the flow was passed. Raises CannotContinue at the uncommitted end of another flow."""
    if context.pending is None:
        session, _ = context.signed_in
        return bool(key) and await context.services.engine.completed(session, key, now=context.now)
    if not key or context.pending.completion != key:
        raise CannotContinue
    return True


async def _began_here(context: SignOnContext) -> bool:
    """Return whether this browser started the sign-in of this request, and the user signed in in another tab."""
    if context.returning_from != SIGN_IN or context.pending is not None:
        return False
    session, _ = context.signed_in
    return await context.services.engine.completed(session, beside_proof(context.sign_in_proof()), now=context.now)
