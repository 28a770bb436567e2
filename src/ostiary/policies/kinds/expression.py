"""The expression policy: the body of a Python function. Known expressions run natively, others in the sandbox."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

from ostiary.policies.recognition import known_policy
from ostiary.policies.resources import NOT_EVALUATED, POLICY, Policy
from ostiary.resource import MULTILINE, Length, Problem, kind

if TYPE_CHECKING:
    from ostiary.policies.policy_request import PolicyRequest, PolicyResult
    from ostiary.policies.trace import How
    from ostiary.sandbox.language.fault import LanguageFault


def _validate_expression(policy: ExpressionPolicy) -> Iterable[Problem]:
    yield from (Problem("expression", str(fault)) for fault in _faults(policy.expression) if fault.fatal)


def _advise_expression(policy: ExpressionPolicy) -> Iterable[Problem]:
    for fault in _faults(policy.expression):
        if not fault.fatal:
            yield Problem("expression", f"{fault}; the policy fails when it gets there: {NOT_EVALUATED}")


def _faults(source: str) -> Sequence[LanguageFault]:
    if known_policy(source) is not None:
        return ()
    from ostiary.sandbox.language.names import POLICY as DIALECT  # noqa: PLC0415 - not for those without expressions
    from ostiary.sandbox.language.program import check  # noqa: PLC0415 - as above

    return check(source, DIALECT)


@kind(
    "authentik_policies_expression.expressionpolicy",
    verbose_name="Expression Policy",
    plural="Expression Policies",
    component="ak-policy-expression-form",
    routes="policies/expression",
    families=(POLICY,),
    check=_validate_expression,
    advise=_advise_expression,
)
class ExpressionPolicy(Policy):
    """A policy written as the body of a Python function."""

    expression: Annotated[str, MULTILINE, Length(most=100_000)]

    async def evaluate(self, policy_request: PolicyRequest) -> tuple[How, PolicyResult]:
        """Evaluate the expression. Raises PolicyFailed, Undetermined."""
        found = known_policy(self.expression)
        if found is not None:
            return found.how, found.value(policy_request)
        from ostiary.policies.evaluation import evaluate_expression  # noqa: PLC0415 - not for those without expressions

        return "executed", await evaluate_expression(self.expression, self.name, policy_request)
