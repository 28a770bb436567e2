"""The expression policy: the body of a Python function. Stock and simple ones are understood, none is executed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from ostiary.expressions import can_evaluate, syntax_error
from ostiary.policies.errors import NotAvailable
from ostiary.policies.recognise import VOCABULARY, policy_of
from ostiary.policies.resources import NOT_EVALUATED, POLICY, Policy
from ostiary.resource import MULTILINE, Length, Problem, kind

if TYPE_CHECKING:
    from ostiary.policies.trace import How
    from ostiary.policies.verdict import Question, Verdict


def _validate_expression(policy: ExpressionPolicy) -> Iterable[Problem]:
    if (error := syntax_error(policy.expression)) is not None:
        yield Problem("expression", f"is not valid Python: {error}")


def _advise_expression(policy: ExpressionPolicy) -> Iterable[Problem]:
    if not can_evaluate(policy.expression, VOCABULARY):
        yield Problem("expression", f"is stored, but cannot be evaluated by this version: {NOT_EVALUATED}")


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

    async def evaluate(self, question: Question) -> tuple[How, Verdict]:
        """Return what the function that the expression amounts to says. Raises NotAvailable for any other."""
        found = policy_of(self.expression)
        if found is not None:
            return found.how, found.value(question)
        message = "expression policies are not available yet"
        raise NotAvailable(message)
