"""The password expiry policy: an old password must be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from ostiary.directory.passwords.credentials import make_unusable
from ostiary.policies.policy_request import PolicyRequest, PolicyResult
from ostiary.policies.resources import POLICY, Policy
from ostiary.resource import Help, Range, kind

if TYPE_CHECKING:
    from ostiary.policies.trace import How

_DAY: Final = 86_400_000_000  # microseconds
_EXPIRED: Final = PolicyResult(passing=False, messages=("The password has expired.",))


@kind(
    "authentik_policies_expiry.passwordexpirypolicy",
    verbose_name="Password Expiry Policy",
    plural="Password Expiry Policies",
    component="ak-policy-password-expiry-form",
    routes="policies/password_expiry",
    families=(POLICY,),
)
class PasswordExpiryPolicy(Policy):
    """Passes if the password is younger than a number of days."""

    days: Annotated[int, Range(0, 2**31 - 1), Help("Age at which a password has expired.")]
    deny_only: Annotated[bool, Help("Keeps the password. Otherwise an expired one is made unusable.")] = False

    async def evaluate(self, policy_request: PolicyRequest) -> tuple[How, PolicyResult]:
        """Compare the age of the password. An unknown user passes."""
        subject = policy_request.subject
        if subject is None:
            return "rules", PolicyResult(passing=True)
        now = policy_request.context.now
        if now - subject.user.password_change_date < self.days * _DAY:
            return "rules", PolicyResult(passing=True)
        if self.deny_only or not subject.user.has_password:
            return "rules", _EXPIRED
        days = (now - subject.user.password_change_date) // _DAY - self.days
        since = f"The password expired {days} days ago. Set a new one." if days else "The password has expired."
        return "rules", PolicyResult(
            passing=False,
            messages=(since,),
            writes=(make_unusable(subject.user, now=now),),
        )
