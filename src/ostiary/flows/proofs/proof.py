"""The validity of a plan's proof: it ends when the account, its password, factors or sessions change.

The directory counts those changes (`directory.user.User.stamp`). A plan has the count before the proof. It is compared
when the plan is read, and again by the statements that use the proof.
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
    """Return a plan context without the proven user."""
    if "user_backend" not in context and "auth_method" not in context:
        return dict(context)
    return {key: value for key, value in context.items() if key not in _OF_PROOF}


async def still_proven(services: Services, request: Request, plan: Plan) -> bool:
    """Return whether the proof of a plan is still valid; true for a plan without one."""
    if plan.proof is None:
        return "user_backend" not in plan.context  # a proof without a stamp is not valid
    subject = await subject_of(services.users, request, plan.proof.user)
    # guard: A72 a changed credential ends the plans it was proven in
    if subject is not None and subject.user.is_active and subject.user.stamp == plan.proof.stamp:
        return True
    name = None if subject is None else subject.user.username
    services.sign_ins.failed(user=name, address=request.client, reason="proof_ended")
    return False


async def renewed(services: Services, request: Request, plan: Plan, context: Mapping[str, object]) -> Plan:
    """Return the plan after one of its own stages changed the account. That change does not end the proof."""
    pending = context.get("pending_user")
    written = pending.get("pk") if isinstance(pending, Mapping) else None
    if not isinstance(written, int):
        return plan
    subject = await subject_of(services.users, request, written)
    if subject is None:
        return plan
    # An inactive user is not proven: the flow continues, and may activate the account.
    return plan.proven(subject.user) if subject.user.is_active else plan.to(proof=None)
