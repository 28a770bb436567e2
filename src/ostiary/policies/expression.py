"""The expression policy: the body of a Python function. Stock and simple ones are understood, none is executed."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from ostiary.policies.errors import NotAvailable
from ostiary.policies.native import find_native
from ostiary.policies.recognise import recognise
from ostiary.policies.resources import NOT_EVALUATED, POLICY, Policy
from ostiary.resource import MULTILINE, Length, Problem, kind

if TYPE_CHECKING:
    from ostiary.policies.trace import How
    from ostiary.policies.verdict import Question, Verdict


def _validate_expression(policy: ExpressionPolicy) -> Iterable[Problem]:
    body = "".join(f"    {line}\n" for line in policy.expression.splitlines()) or "    pass\n"
    try:
        ast.parse(f"def expression():\n{body}")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        yield Problem("expression", f"is not valid Python: {error}")


def _advise_expression(policy: ExpressionPolicy) -> Iterable[Problem]:
    if find_native(policy.expression) is None and recognise(policy.expression) is None:
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
        native = find_native(self.expression)
        if native is not None:
            return "native", native(question)
        simple = recognise(self.expression)
        if simple is not None:
            return "recognised", simple(question)
        message = "expression policies are not available yet"
        raise NotAvailable(message)
