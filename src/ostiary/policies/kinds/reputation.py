"""The reputation policy: compares the score of an account, of an address, or of both."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from ostiary.policies.errors import NotAvailable
from ostiary.policies.lookups.reputation import Reputation
from ostiary.policies.policy_request import PolicyRequest, PolicyResult
from ostiary.policies.resources import POLICY, Policy
from ostiary.resource import Help, Problem, Range, kind

if TYPE_CHECKING:
    from ostiary.policies.trace import How


def _validate_checks(policy: ReputationPolicy) -> Iterable[Problem]:
    if not (policy.check_ip or policy.check_username):
        yield Problem("check_ip", "expected true for at least one of check_ip and check_username")


@kind(
    "authentik_policies_reputation.reputationpolicy",
    verbose_name="Reputation Policy",
    plural="Reputation Policies",
    component="ak-policy-reputation-form",
    routes="policies/reputation",
    families=(POLICY,),
    check=_validate_checks,
)
class ReputationPolicy(Policy):
    """Passes for a bad reputation: a score at or below the threshold."""

    check_ip: bool = True
    check_username: bool = True
    threshold: Annotated[int, Range(-(2**31), 2**31 - 1), Help("Passes at this score and below.")] = -5

    async def evaluate(self, policy_request: PolicyRequest) -> tuple[How, PolicyResult]:
        """Compare the score. Raises NotAvailable if scores are not stored."""
        context, subject = policy_request.context, policy_request.subject
        username = subject.user.username if self.check_username and subject is not None else None
        address = context.client_ip if self.check_ip else None
        if username is None and address is None:
            raise NotAvailable("neither an account nor an address is known")
        score = await context.services[Reputation].score(username=username, address=address, now=context.now)
        return "rules", PolicyResult(score <= self.threshold)
