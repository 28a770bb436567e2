"""The expression policy: the body of a Python function. Stock and simple ones are known, others run in the sandbox."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from ostiary.policies.calling import policy_call
from ostiary.policies.errors import DEPENDS, Failing, Undetermined
from ostiary.policies.recognise import policy_of
from ostiary.policies.resources import NOT_EVALUATED, POLICY, Policy
from ostiary.policies.scene import scene_of
from ostiary.policies.verdict import Question, Verdict
from ostiary.resource import MULTILINE, Length, Problem, kind
from ostiary.sandbox.answering.errors import ExpressionFailed
from ostiary.sandbox.answering.evaluator import Evaluator
from ostiary.sandbox.answering.scene import Expression
from ostiary.sandbox.language.names import POLICY as DIALECT
from ostiary.sandbox.language.program import check

if TYPE_CHECKING:
    from ostiary.policies.trace import How


def _validate_expression(policy: ExpressionPolicy) -> Iterable[Problem]:
    if policy_of(policy.expression) is None:
        yield from (Problem("expression", str(fault)) for fault in check(policy.expression, DIALECT) if fault.fatal)


def _advise_expression(policy: ExpressionPolicy) -> Iterable[Problem]:
    if policy_of(policy.expression) is None:
        for fault in check(policy.expression, DIALECT):
            if not fault.fatal:
                yield Problem("expression", f"{fault}; the policy fails when it gets there: {NOT_EVALUATED}")


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
        """Return what the expression says. Raises NotAvailable, Failing, Undetermined."""
        found = policy_of(self.expression)
        if found is not None:
            return found.how, found.value(question)
        return "executed", await self._run(question)

    async def _run(self, question: Question) -> Verdict:
        evaluator = question.context.services[Evaluator]
        expression = Expression(self.expression, DIALECT, f"expression policy {self.name}")
        called: list[Verdict] = []
        scene = scene_of(question, policy_call(question, called))
        try:
            result = await evaluator.evaluate(expression, scene)
        except ExpressionFailed as error:
            raise Failing(str(error)) from None
        if result.depends:
            raise Undetermined(f"{DEPENDS}{result.depends}")
        return Verdict(result.passing, result.effects.messages, result, tuple(called))
