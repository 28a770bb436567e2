"""The unique password policy: users cannot reuse their passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from ostiary.policies.kinds.prompt_password import prompt_password
from ostiary.policies.lookups.password_history import PasswordHistory
from ostiary.policies.policy_request import PolicyRequest, PolicyResult
from ostiary.policies.resources import POLICY, Policy
from ostiary.resource import Help, Length, Range, kind

if TYPE_CHECKING:
    from ostiary.policies.trace import How

MAX_DEPTH: Final = 24  # each costs a hash


@kind(
    "authentik_policies_unique_password.uniquepasswordpolicy",
    verbose_name="Password Uniqueness Policy",
    plural="Password Uniqueness Policies",
    component="ak-policy-password-uniqueness-form",
    routes="policies/unique_password",
    families=(POLICY,),
)
class UniquePasswordPolicy(Policy):
    """Fails for the user's present password, and for the last ones before it."""

    password_field: Annotated[str, Length(least=1), Help("Key of the prompt field that holds the password.")] = (
        "password"  # noqa: S105
    )
    num_historical_passwords: Annotated[int, Range(1, MAX_DEPTH), Help("How many earlier passwords are compared.")] = 1

    async def evaluate(self, policy_request: PolicyRequest) -> tuple[How, PolicyResult]:
        """Compare the password in the prompt data. Raises NotAvailable if there is none."""
        text = prompt_password(policy_request, self.password_field)
        if policy_request.subject is None:
            return "rules", PolicyResult(passing=True)  # a new account has no earlier password
        history = policy_request.context.services[PasswordHistory]
        if await history.contains(policy_request.subject.user, text, depth=self.num_historical_passwords):
            return "rules", PolicyResult(passing=False, messages=("You had this password before. Choose another one.",))
        return "rules", PolicyResult(passing=True)
