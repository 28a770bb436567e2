"""The policy binding, and the base of all policies. Each kind of policy has its own file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Final, Literal

from ostiary.policies.errors import NotAvailable
from ostiary.record import dataclass
from ostiary.resource import UNIQUE, Help, Length, OnDelete, Problem, Range, Reference, Resource, kind

if TYPE_CHECKING:
    from ostiary.policies.policy_request import PolicyRequest, PolicyResult
    from ostiary.policies.trace import How

POLICY: Final = "authentik_policies.policy"
NO_SUCH_POLICY: Final = "the policy does not exist, or is of a kind that is not available yet"
BINDING_TARGET: Final = "authentik_policies.policybindingmodel"

NOT_EVALUATED: Final = (
    "where it is bound, the binding's failure_result counts, and a stage stays or its flow is refused"
)
"""The consequence of a policy that cannot be evaluated, for advice."""

PolicyEngineMode = Literal["all", "any"]


def _validate_binding(binding: PolicyBinding) -> Iterable[Problem]:
    named = sum(item is not None for item in (binding.policy, binding.group, binding.user))
    if named != 1:
        yield Problem("", f"expected exactly one of policy, group and user, not {named or 'none'}")


@kind(
    "authentik_policies.policybinding",
    verbose_name="Policy Binding",
    component="ak-policy-binding-form",
    routes="policies/bindings",
    unique_together=(("policy", "target", "order"),),
    check=_validate_binding,
    label_field="order",
)
class PolicyBinding(Resource):
    """The binding of a policy, group or user to an object."""

    policy: Annotated[str | None, Reference(POLICY, OnDelete.CASCADE)] = None
    group: Annotated[str | None, Reference("authentik_core.group", OnDelete.CASCADE)] = None
    user: Annotated[int | None, Reference("authentik_core.user", OnDelete.CASCADE)] = None
    target: Annotated[str, Reference(BINDING_TARGET, OnDelete.CASCADE)]
    negate: Annotated[bool, Help("Turns the result round.")] = False
    enabled: bool = True
    order: Annotated[int, Range(-(2**31), 2**31 - 1)]
    timeout: Annotated[int, Range(0, 2**31 - 1), Help("Seconds a policy may take.")] = 30
    failure_result: Annotated[bool, Help("What counts when the policy cannot be evaluated.")] = False


@dataclass(frozen=True, kw_only=True)
class Policy(Resource):
    """The base of all policies. A reference to the family may name any kind."""

    name: Annotated[str, UNIQUE, Length(least=1)]
    execution_logging: Annotated[bool, Help("Writes an event for every evaluation.")] = False

    async def evaluate(self, policy_request: PolicyRequest) -> tuple[How, PolicyResult]:
        """Return how the policy was evaluated, and its result. If it raises PolicyError, the failure result counts."""
        del policy_request
        raise NotAvailable(NO_SUCH_POLICY)
