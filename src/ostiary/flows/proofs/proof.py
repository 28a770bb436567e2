"""What a plan rests on once somebody was proven: it ends when their account, password, factors or sessions change.

The directory counts those changes (`directory.user.User.stamp`). A plan keeps the count as it was before the proof; it
is compared whenever the plan is read, and again by the statements that make use of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ostiary.flows.error_detail import ErrorDetail, Errors
from ostiary.flows.people.subject_cache import subject_of
from ostiary.flows.plans.plan import Plan

if TYPE_CHECKING:
    from ostiary.flows.services import Services
    from ostiary.web.request import Request

MESSAGE: Final = "This account has changed. Sign in again."
PROOF_ENDED: Final[Errors] = {"non_field_errors": (ErrorDetail(MESSAGE, "proof_ended"),)}
_OF_PROOF: Final = frozenset({"pending_user", "user_backend", "auth_method", "auth_method_args"})


def unproven(context: Mapping[str, object]) -> dict[str, object]:
    """Return a plan context without what it says of a person who was proven."""
    if "user_backend" not in context and "auth_method" not in context:
        return dict(context)
    return {key: value for key, value in context.items() if key not in _OF_PROOF}


async def still_proven(services: Services, request: Request, plan: Plan) -> bool:
    """Return whether nothing of what a plan rests on has changed; true for one that rests on nothing yet."""
    if plan.proof is None:
        return "user_backend" not in plan.context  # a proof that does not say what it rests on is none
    subject = await subject_of(services.users, request, plan.proof.user)
    # guard: A72 a changed credential ends the plans it was proven in
    if subject is not None and subject.user.is_active and subject.user.stamp == plan.proof.stamp:
        return True
    name = None if subject is None else subject.user.username
    services.sign_ins.failed(user=name, address=request.client, reason="proof_ended")
    return False


async def renewed(services: Services, request: Request, plan: Plan, context: Mapping[str, object]) -> Plan:
    """Return the plan after one of its own stages wrote an account: that change does not end it."""
    pending = context.get("pending_user")
    written = pending.get("pk") if isinstance(pending, Mapping) else None
    if not isinstance(written, int):
        return plan
    subject = await subject_of(services.users, request, written)
    if subject is None:
        return plan
    # Somebody who may not sign in yet is not proven: the flow goes on, and may make the account active.
    return plan.proven(subject.user) if subject.user.is_active else plan.to(proof=None)
