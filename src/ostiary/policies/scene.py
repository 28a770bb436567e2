"""What an expression policy may see, from what it is asked about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ostiary.brands.select import select
from ostiary.policies.resources import BINDING_TARGET
from ostiary.sandbox.answering.scene import PolicyCall, Scene

if TYPE_CHECKING:
    from ostiary.policies.verdict import Question
    from ostiary.web.request import Request


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
