"""The variables of expressions: the policy request, its context, the plan of a flow."""

from __future__ import annotations

from typing import Any

from ostiary.sandbox.language.prelude.networks import IPAddress
from ostiary.sandbox.language.prelude.objects import Application, Provider
from ostiary.sandbox.language.prelude.outside import (
    given_client_ip,
    given_context,
    given_http,
    given_object,
    given_plan,
    given_provider,
    given_sso,
    given_token,
    given_user,
    uses,
)
from ostiary.sandbox.language.prelude.people import User
from ostiary.sandbox.language.prelude.requests import HttpRequest


class FlowPlan:
    """The plan of the flow. Its context can be changed."""

    def __init__(self, context: dict[str, Any]) -> None:
        self.context = context

    def redirect(self, to: Any) -> None:
        """Have the flow lead to another address."""
        self.context["redirect"] = str(to)

    def ostiary_reference(self) -> dict[str, Any]:
        """Return what stands for the plan outside."""
        return {"ostiary": "plan", "pk": None, "name": "flow_plan"}


class PolicyRequest:
    """What a policy or a mapping is asked with."""

    debug = False

    def __init__(self) -> None:
        self.user = user
        self.http_request = http_request
        self.obj = ostiary_bound(given_object)
        self.context = context


def ostiary_bound(values: dict[str, Any] | None) -> Any:
    """Return the object that a policy is bound to."""
    if values is None:
        return None
    return Application(values)


def ostiary_placed(placed: dict[str, Any]) -> dict[str, Any]:
    """Put objects into a context, where objects are known to stand, and return it."""
    if uses("pending_user") and "pending_user" in placed:
        placed["pending_user"] = User(placed["pending_user"])
    if uses("application") and "application" in placed:
        placed["application"] = Application(placed["application"])
    return placed


def ostiary_context(values: dict[str, Any], plan: Any) -> dict[str, Any]:
    """Return the context of a request: its own values, and in a flow those of the plan and the plan itself."""
    if plan is None:
        return ostiary_placed(values)
    return {**plan.context, **values, "flow_plan": plan}


user: Any = User(given_user)
http_request: Any = None if given_http is None else HttpRequest(given_http, user)
flow_plan: Any = None if given_plan is None else FlowPlan(ostiary_placed(given_plan))
context: dict[str, Any] = ostiary_context(given_context, flow_plan)
prompt_context: dict[str, Any] = context.get("prompt_context", {})
request: Any = PolicyRequest()
provider: Any = None if given_provider is None else Provider(given_provider)
token: Any = given_token
ak_is_sso_flow: bool = given_sso
ak_client_ip: Any = None if given_client_ip is None else IPAddress(given_client_ip)
