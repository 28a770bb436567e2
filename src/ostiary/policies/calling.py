"""Policies that call other policies, as `ak_call_policy` does."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ostiary.policies.errors import PolicyError
from ostiary.policies.resources import POLICY, Policy

if TYPE_CHECKING:
    from ostiary.policies.verdict import Question, Verdict
    from ostiary.sandbox.answering.scene import PolicyCall


def policy_call(question: Question, called: list[Verdict]) -> PolicyCall:
    """Return what runs another policy with the same question. What the other policies want is noted in `called`."""

    async def call(name: str, context: Mapping[str, object]) -> Mapping[str, object]:
        policy = _named(question, name)
        facts = {**{key: question.context.facts[key] for key in question.context.facts}, **context}
        asked = dataclasses.replace(question, context=dataclasses.replace(question.context, facts=facts))
        try:
            _, verdict = await policy.evaluate(asked)
        except PolicyError as error:
            return {"passing": False, "messages": [str(error)], "raw_result": None}
        called.append(verdict)
        raw = verdict.passing if verdict.result is None else verdict.result.value
        return {"passing": verdict.passing, "messages": list(verdict.messages), "raw_result": raw}

    return call


def _named(question: Question, name: str) -> Policy:
    found = () if question.snapshot is None else question.snapshot.family(POLICY)
    for policy in found:
        if isinstance(policy, Policy) and policy.name == name:
            return policy
    raise LookupError(name)
