"""The expression policy: the body of a Python function. Stock and simple ones are known, others run in the sandbox."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

from ostiary.policies.recognise import policy_of
from ostiary.policies.resources import NOT_EVALUATED, POLICY, Policy
from ostiary.resource import MULTILINE, Length, Problem, kind

if TYPE_CHECKING:
    from ostiary.policies.trace import How
    from ostiary.policies.verdict import Question, Verdict
    from ostiary.sandbox.language.fault import LanguageFault


def _validate_expression(policy: ExpressionPolicy) -> Iterable[Problem]:
    yield from (Problem("expression", str(fault)) for fault in _faults(policy.expression) if fault.fatal)


def _advise_expression(policy: ExpressionPolicy) -> Iterable[Problem]:
    for fault in _faults(policy.expression):
        if not fault.fatal:
            yield Problem("expression", f"{fault}; the policy fails when it gets there: {NOT_EVALUATED}")


def _faults(source: str) -> Sequence[LanguageFault]:
    if policy_of(source) is not None:
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

    async def evaluate(self, question: Question) -> tuple[How, Verdict]:
        """Return what the expression says. Raises Failing, Undetermined."""
        found = policy_of(self.expression)
        if found is not None:
            return found.how, found.value(question)
        from ostiary.policies.executing import execute  # noqa: PLC0415 - not for those without expressions

        return "executed", await execute(self.expression, self.name, question)
