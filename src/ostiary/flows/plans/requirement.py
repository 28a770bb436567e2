"""The authentication requirement of a flow, and the context of its policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ostiary.flows.resources import Flow
from ostiary.policies.context import PolicyContext

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.policies.services import PolicyServices
    from ostiary.web.request import Request


def requirement_met(flow: Flow, subject: Subject | None, context: Mapping[str, object]) -> bool:
    """Return whether the session meets the requirement. `subject` is the signed-in active user."""
    match flow.authentication:
        case "none":
            return True
        case "require_authenticated":
            return subject is not None
        case "require_unauthenticated":
            return subject is None
        case "require_superuser":
            return subject is not None and subject.is_superuser
        case "require_redirect":
            return context.get("is_redirected") is True
        case "require_outpost":
            return isinstance(context.get("outpost"), Mapping)


def policy_context(
    context: Mapping[str, object], *, request: Request, now: int, services: PolicyServices, visitor: int | None
) -> PolicyContext:
    """Return the context of policies in flows: the keys of the plan context, and the plan itself as `flow_plan`."""
    return PolicyContext(
        now=now,
        client_ip=request.client,
        is_sso=context.get("is_sso") is True,
        facts={**context, "flow_plan": {"context": context}},
        in_flow=True,
        request=request,
        services=services,
        visitor=visitor,
    )
