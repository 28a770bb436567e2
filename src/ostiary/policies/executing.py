"""Running the expression of a policy in the sandbox. Loaded with the first expression that has no native meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ostiary.brands.select import select
from ostiary.policies.calling import policy_call
from ostiary.policies.errors import DEPENDS, Failing, Undetermined
from ostiary.policies.resources import BINDING_TARGET
from ostiary.policies.verdict import Verdict
from ostiary.sandbox.answering.errors import ExpressionFailed
from ostiary.sandbox.answering.evaluator import Evaluator
from ostiary.sandbox.answering.scene import Expression, PolicyCall, Scene
from ostiary.sandbox.language.names import POLICY

if TYPE_CHECKING:
    from ostiary.policies.verdict import Question
    from ostiary.web.request import Request


async def execute(source: str, name: str, question: Question) -> Verdict:
    """Return what the expression of a policy says. Raises Failing, Undetermined."""
    evaluator = question.context.services[Evaluator]
    called: list[Verdict] = []
    scene = scene_of(question, policy_call(question, called))
    try:
        result = await evaluator.evaluate(Expression(source, POLICY, f"expression policy {name}"), scene)
    except ExpressionFailed as error:
        raise Failing(str(error)) from None
    if result.depends:
        raise Undetermined(f"{DEPENDS}{result.depends}")
    return Verdict(result.passing, result.effects.messages, result, tuple(called))


def scene_of(question: Question, call_policy: PolicyCall) -> Scene:
    """Return the scene of a policy's expression."""
    context = question.context
    return Scene(
        subject=question.subject,
        now=context.now,
        facts=context.facts,
        in_flow=context.in_flow,
        beside=context.beside,
        is_sso=context.is_sso,
        client_ip=context.client_ip,
        request=context.request,
        brand=_brand(question, context.request),
        bound=_bound(question),
        call_policy=call_policy,
        trial=context.trial,
    )


def _brand(question: Question, request: Request | None) -> Mapping[str, object]:
    if question.snapshot is None or request is None:
        return {}
    return select(question.snapshot, request.host).shown


def _bound(question: Question) -> Mapping[str, object] | None:
    """Return the fields of what the policy is bound to."""
    found = None if question.snapshot is None else question.snapshot.resolve(BINDING_TARGET, question.target)
    if found is None:
        return None
    named = {name: getattr(found, name) for name in ("name", "slug", "group", "title") if hasattr(found, name)}
    return {"pk": str(found.pk), "_kind": found.KIND.name, "name": "", **named}
