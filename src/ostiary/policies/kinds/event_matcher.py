"""The event matcher policy: it matches an event, for notification rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ostiary.events.event import ACTIONS
from ostiary.policies.errors import NotAvailable
from ostiary.policies.policy_request import PolicyRequest, PolicyResult
from ostiary.policies.resources import POLICY, Policy
from ostiary.resource import Problem, kind

if TYPE_CHECKING:
    from ostiary.policies.trace import How


def _validate_action(policy: EventMatcherPolicy) -> Iterable[Problem]:
    action = policy.action
    if action and action not in ACTIONS and not action.startswith("custom_"):
        yield Problem("action", f"no event has the action {action!r}")


def _validate_any(policy: EventMatcherPolicy) -> Iterable[Problem]:
    if not (policy.action or policy.client_ip or policy.app or policy.model):
        yield Problem("action", "expected at least one of action, client_ip, app and model")


@kind(
    "authentik_policies_event_matcher.eventmatcherpolicy",
    verbose_name="Event Matcher Policy",
    plural="Event Matcher Policies",
    component="ak-policy-event-matcher-form",
    routes="policies/event_matcher",
    families=(POLICY,),
    check=_validate_action,
    advise=_validate_any,
)
class EventMatcherPolicy(Policy):
    """Passes if the event has all configured values."""

    action: str | None = None
    client_ip: str | None = None
    app: str | None = None
    model: str | None = None

    async def evaluate(self, policy_request: PolicyRequest) -> tuple[How, PolicyResult]:
        """Match the event in the context. Raises NotAvailable if there is none, or if no value is configured."""
        event = policy_request.context.facts.get("event")
        if not isinstance(event, Mapping):
            raise NotAvailable("there is no event here: this policy is for the rules of notifications")
        wanted = {name: value for name in ("action", "client_ip", "app", "model") if (value := getattr(self, name))}
        if not wanted:
            raise NotAvailable("the policy compares nothing")
        found = {**event, "model": _model_of(event)}
        missed = [name for name, value in wanted.items() if found.get(name) != value]
        return "rules", PolicyResult(not missed, tuple(f"The event has another {name}." for name in missed))


def _model_of(event: Mapping[str, object]) -> str | None:
    """Return the kind of the object in an event, such as "authentik_core.user"."""
    context = event.get("context")
    model = context.get("model") if isinstance(context, Mapping) else None
    if not isinstance(model, Mapping):
        return None
    return f"{model.get('app')}.{model.get('model_name')}"
