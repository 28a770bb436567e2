"""The variables of expressions: the policy request, its context, the plan of a flow."""

from __future__ import annotations

from typing import Any

from ostiary.sandbox.language.prelude.networks import IPAddress
from ostiary.sandbox.language.prelude.objects import Application, Provider, ostiary_object
from ostiary.sandbox.language.prelude.outside import (
    given_client_ip,
    given_context,
    given_http,
    given_names,
    given_object,
    given_plan,
    given_provider,
    given_sso,
    given_token,
    given_user,
    uses,
)
from ostiary.sandbox.language.prelude.people import Group, User
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


def ostiary_visitor() -> Any:
    """Return who is signed in at the browser."""
    return User(given_http["user"]) if given_http is not None and "user" in given_http else user


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
    if uses("source", "event", "notification", "connection", "goauthentik.io/sources/connection"):
        for name, value in [*placed.items()]:
            if name not in ("pending_user", "application"):
                placed[name] = ostiary_object(value)
    return placed


def ostiary_context(values: dict[str, Any], plan: Any) -> dict[str, Any]:
    """Return the context of a request: its own values, and in a flow those of the plan and the plan itself."""
    if plan is None:
        return ostiary_placed(values)
    return {**plan.context, **values, "flow_plan": plan}


user: Any = User(given_user)
http_request: Any = None if given_http is None else HttpRequest(given_http, ostiary_visitor())
flow_plan: Any = None if given_plan is None else FlowPlan(ostiary_placed(given_plan))
context: dict[str, Any] = ostiary_context(given_context, flow_plan)
prompt_context: dict[str, Any] = context.get("prompt_context", {})
request: Any = PolicyRequest()
provider: Any = None if given_provider is None else Provider(given_provider)
token: Any = given_token
ak_is_sso_flow: bool = given_sso
ak_client_ip: Any = None if given_client_ip is None else IPAddress(given_client_ip)
group: Any = None if given_names.get("group") is None else Group(given_names["group"])
source: Any = ostiary_object(given_names.get("source"))
connection: Any = ostiary_object(given_names.get("connection"))
notification: Any = ostiary_object(given_names.get("notification"))
ldap: Any = given_names.get("ldap")
dn: Any = given_names.get("dn")
info: Any = given_names.get("info")
client: Any = given_names.get("client")
data: Any = given_names.get("data")
name_id: Any = given_names.get("name_id")
principal: Any = given_names.get("principal")
properties: Any = given_names.get("properties")
group_id: Any = given_names.get("group_id")
