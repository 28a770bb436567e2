"""Policies that call other policies, as `ak_call_policy` does."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ostiary.policies.errors import PolicyError
from ostiary.policies.resources import POLICY, Policy

if TYPE_CHECKING:
    from ostiary.policies.policy_request import PolicyRequest, PolicyResult
    from ostiary.sandbox.evaluation.expression_context import PolicyCall


def policy_call(policy_request: PolicyRequest, called: list[PolicyResult]) -> PolicyCall:
    """Return a function that evaluates another policy for the same request. It adds the results to `called`."""

    async def call(name: str, context: Mapping[str, object]) -> Mapping[str, object]:
        policy = _named(policy_request, name)
        facts = {**{key: policy_request.context.facts[key] for key in policy_request.context.facts}, **context}
        asked = dataclasses.replace(policy_request, context=dataclasses.replace(policy_request.context, facts=facts))
        try:
            _, verdict = await policy.evaluate(asked)
        except PolicyError as error:
            return {"passing": False, "messages": [str(error)], "raw_result": None}
        called.append(verdict)
        raw = verdict.passing if verdict.result is None else verdict.result.value
        return {"passing": verdict.passing, "messages": list(verdict.messages), "raw_result": raw}

    return call


def _named(policy_request: PolicyRequest, name: str) -> Policy:
    found = () if policy_request.snapshot is None else policy_request.snapshot.family(POLICY)
    for policy in found:
        if isinstance(policy, Policy) and policy.name == name:
            return policy
    raise LookupError(name)
