"""The evaluation of a policy in the sandbox. It is imported with the first expression that needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from ostiary.brands.select import select
from ostiary.policies.errors import DEPENDS, NotAvailable, PolicyFailed, Undetermined
from ostiary.policies.lookups.places import GeoData
from ostiary.policies.policy_calls import policy_call
from ostiary.policies.policy_request import PolicyResult
from ostiary.policies.resources import BINDING_TARGET
from ostiary.sandbox.evaluation.errors import ExpressionFailed
from ostiary.sandbox.evaluation.evaluator import Evaluator
from ostiary.sandbox.evaluation.expression_context import Expression, ExpressionContext, PolicyCall
from ostiary.sandbox.language.names import POLICY

if TYPE_CHECKING:
    from ostiary.policies.policy_request import PolicyRequest
    from ostiary.web.request import Request


async def evaluate_expression(source: str, name: str, policy_request: PolicyRequest) -> PolicyResult:
    """Evaluate the expression of a policy. Raises PolicyFailed, Undetermined."""
    evaluator = policy_request.context.services[Evaluator]
    called: list[PolicyResult] = []
    expression_context = expression_context_of(policy_request, policy_call(policy_request, called))
    try:
        result = await evaluator.evaluate(Expression(source, POLICY, f"expression policy {name}"), expression_context)
    except ExpressionFailed as error:
        raise PolicyFailed(str(error), seconds=error.seconds) from None
    if result.depends:
        raise Undetermined(f"{DEPENDS}{result.depends}")
    return PolicyResult(result.passing, result.effects.messages, result, tuple(called))


def expression_context_of(policy_request: PolicyRequest, call_policy: PolicyCall) -> ExpressionContext:
    """Return the variables of a policy's expression."""
    context = policy_request.context
    return ExpressionContext(
        subject=policy_request.subject,
        now=context.now,
        facts=context.facts,
        in_flow=context.in_flow,
        shared=context.shared,
        locate=_locate(policy_request),
        is_sso=context.is_sso,
        client_ip=context.client_ip,
        request=context.request,
        brand=_brand(policy_request, context.request),
        bound=_bound(policy_request),
        visitor=context.visitor,
        call_policy=call_policy,
        trial=context.trial,
    )


def _locate(policy_request: PolicyRequest) -> Callable[[], Mapping[str, object]] | None:
    """Return the look-up of `geoip` and `asn` for the client's address, None without an address."""
    address = policy_request.context.client_ip
    try:
        data = policy_request.context.services[GeoData]
    except NotAvailable:
        return None
    return None if address is None else partial(data.facts, address)


def _brand(policy_request: PolicyRequest, request: Request | None) -> Mapping[str, object]:
    if policy_request.snapshot is None or request is None:
        return {}
    return select(policy_request.snapshot, request.host).shown


def _bound(policy_request: PolicyRequest) -> Mapping[str, object] | None:
    """Return the fields of the object that the policy is bound to."""
    found = (
        None
        if policy_request.snapshot is None
        else policy_request.snapshot.resolve(BINDING_TARGET, policy_request.target)
    )
    if found is None:
        return None
    named = {name: getattr(found, name) for name in ("name", "slug", "group", "title") if hasattr(found, name)}
    return {"pk": str(found.pk), "_kind": found.KIND.name, "name": "", **named}
