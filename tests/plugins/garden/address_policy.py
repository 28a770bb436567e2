"""A policy of another package: looks at where a browser is."""

from __future__ import annotations

from typing import Annotated

from ostiary.policies.errors import PolicyError
from ostiary.policies.policy_request import PolicyRequest, PolicyResult
from ostiary.policies.resources import POLICY, Policy
from ostiary.policies.trace import How
from ostiary.resource import Length, kind


@kind(
    "garden.addresspolicy",
    verbose_name="Address Policy",
    plural="Address Policies",
    component="ak-policy-address-form",
    routes="policies/address",
    families=(POLICY,),
)
class AddressPolicy(Policy):
    """Lets pass whoever comes from one address."""

    address: Annotated[str, Length(least=1)]

    async def evaluate(self, policy_request: PolicyRequest) -> tuple[How, PolicyResult]:
        """Compare the address. Raises PolicyError when there is none."""
        if policy_request.context.client_ip is None:
            raise PolicyError("there is no address")
        passing = policy_request.context.client_ip == self.address
        return "rules", PolicyResult(passing, () if passing else ("Come closer.",))
