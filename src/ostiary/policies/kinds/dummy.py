"""The dummy policy: a fixed result after a random delay, for tests of bindings and timeouts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from ostiary.policies.policy_request import PolicyRequest, PolicyResult
from ostiary.policies.resources import POLICY, Policy
from ostiary.resource import Problem, Range, kind

if TYPE_CHECKING:
    from ostiary.policies.trace import How


def _validate_wait(policy: DummyPolicy) -> Iterable[Problem]:
    if policy.wait_max < policy.wait_min:
        yield Problem("wait_max", f"expected at least wait_min ({policy.wait_min}), got {policy.wait_max}")


@kind(
    "authentik_policies_dummy.dummypolicy",
    verbose_name="Dummy Policy",
    plural="Dummy Policies",
    component="ak-policy-dummy-form",
    routes="policies/dummy",
    families=(POLICY,),
    check=_validate_wait,
)
class DummyPolicy(Policy):
    """Waits between `wait_min` and `wait_max` seconds, then returns `result`. In a trial it does not wait."""

    result: bool = False
    wait_min: Annotated[int, Range(0, 2**31 - 1)] = 5
    wait_max: Annotated[int, Range(0, 2**31 - 1)] = 30

    async def evaluate(self, policy_request: PolicyRequest) -> tuple[How, PolicyResult]:
        """Wait, and return the result."""
        if not policy_request.context.trial:
            await asyncio.sleep(random.uniform(self.wait_min, self.wait_max))  # noqa: S311 - nobody guesses it
        return "rules", PolicyResult(self.result, ("dummy",))
