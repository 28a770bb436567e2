"""The way back: whether a flow of ours was passed, or declined, for exactly this request."""

from __future__ import annotations

from ostiary.flows.plans.beginning import beside_proof
from ostiary.flows.run.decline import declined_proof
from ostiary.signon.context import AUTHORIZE, DECLINED, SIGN_IN, Arrival, NotContinued, SignOnContext
from ostiary.web.errors import HttpError


async def is_declined(context: SignOnContext) -> bool:
    """Return whether the person said no. The proof is used up."""
    if context.coming_from != DECLINED or context.pending is not None:
        return False
    session, subject = context.signed_in
    no = declined_proof(context.consent_proof(subject.user.pk))
    return await context.services.engine.completed(session, no, now=context.now)


class AuthorizationDeclined(HttpError):
    """The person said no."""

    def __init__(self) -> None:
        super().__init__(403, "access_denied", "You did not allow it.")


async def require_arrival(context: SignOnContext) -> None:
    """Find out which flow of ours was passed for this request.

    Raises AuthorizationDeclined, and what `find_arrival` raises.
    """
    if await is_declined(context):
        raise AuthorizationDeclined
    await find_arrival(context)


async def find_arrival(context: SignOnContext) -> None:
    """Find out which flow of ours was passed for this request: `arrival`. The proof is used up.

    Raises `late` when the request may not begin any more, and NotContinued for the end of another flow.
    """
    _, subject = context.signed_in
    if context.coming_from == SIGN_IN:
        key, arrival = context.sign_in_proof(), Arrival.SIGNED_IN
    elif context.coming_from == AUTHORIZE:
        key, arrival = context.consent_proof(subject.user.pk), Arrival.RESUMED
    else:
        key, arrival = "", Arrival.FIRST
    if await _is_proven(context, key):
        context.arrival = arrival
    if context.late is not None and context.arrival is Arrival.FIRST:
        if not await _began_here(context):
            raise context.late
        context.late = None


async def _is_proven(context: SignOnContext, key: str) -> bool:
    """Return whether the flow was passed: its end is at hand, or left its proof. Raises NotContinued else."""
    if context.pending is None:
        session, _ = context.signed_in
        return bool(key) and await context.services.engine.completed(session, key, now=context.now)
    if not key or context.pending.completion != key:
        raise NotContinued
    return True


async def _began_here(context: SignOnContext) -> bool:
    """Return whether this browser began the sign-in of this request, and somebody signed in beside it."""
    if context.coming_from != SIGN_IN or context.pending is not None:
        return False
    session, _ = context.signed_in
    return await context.services.engine.completed(session, beside_proof(context.sign_in_proof()), now=context.now)
