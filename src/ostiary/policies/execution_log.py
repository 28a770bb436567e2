"""The events of policies whose `execution_logging` is on: the result of each evaluation, and how it came about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ostiary.events.evaluation_log import first_this_minute
from ostiary.events.event import event
from ostiary.policies.resources import POLICY, Policy

if TYPE_CHECKING:
    from ostiary.policies.policy_request import PolicyRequest
    from ostiary.policies.trace import TraceStep
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.store.database import Statement


def execution_events(
    steps: Sequence[TraceStep], policy_request: PolicyRequest, snapshot: Snapshot
) -> Iterator[Statement]:
    """Yield a policy_execution event for each evaluation of such a policy. In a trial: none."""
    subject, context = policy_request.subject, policy_request.context
    # guard: A80 a trial writes no event of an evaluation
    if context.trial:
        return
    for step in steps:
        policy = snapshot.resolve(POLICY, step.object) if step.kind == "policy" and step.how != "disabled" else None
        if not isinstance(policy, Policy) or not policy.execution_logging:
            continue
        # guard: A68 strangers write one event a minute about each result of a policy
        if subject is None and not first_this_minute(f"{policy.pk} {step.binding}", f"{step.result}", now=context.now):
            continue
        yield event(
            "policy_execution",
            user=None if subject is None else subject.user.who,
            app="authentik_policies",
            context={
                "message": f"policy {policy.name} {'passed' if step.result else 'failed'}",
                "policy": policy.name,
                "binding": str(step.binding),
                "target": policy_request.target,
                "result": step.result,
                "raw": step.raw,
                "how": step.how,
                "messages": list(step.messages),
                "error": step.error,
                "microseconds": step.duration,
                "effects": list(step.effects),
            },
            client_ip=context.client_ip,
            now=context.now,
        )
