"""The policy engine, for flows, applications and every protocol.

Rules (authentik's): without enabled bindings everybody passes. Group and user bindings are reduced to one static
result: in mode "any" one match is enough, in mode "all" each must match. That one result then stands beside the
results of the policies, joined by the same mode. Membership is transitive. Superusers pass only if a binding says so.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from ostiary.events.evaluation_log import log_not_evaluated
from ostiary.events.event import event
from ostiary.policies.context import PolicyContext
from ostiary.policies.decision_effects import NO_CHANGES, ContextChanges, DecisionEffects, describe_effects
from ostiary.policies.errors import NotAvailable, PolicyError
from ostiary.policies.execution_log import execution_events
from ostiary.policies.policy_request import PolicyRequest, PolicyResult
from ostiary.policies.resources import NO_SUCH_POLICY, POLICY, Policy, PolicyBinding
from ostiary.policies.trace import How, Trace, TraceStep
from ostiary.record import dataclass
from ostiary.spans import span

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.store.database import Statement

Mode = Literal["all", "any"]


@dataclass(frozen=True, slots=True)
class Decision:
    """The result, the messages for the user, the trace, and the events that the caller must write."""

    passing: bool
    messages: tuple[str, ...]
    trace: Trace
    events: tuple[Statement, ...] = ()
    undecided: bool = False
    """A policy could not be evaluated, and its result could have changed the decision."""
    changes: ContextChanges = NO_CHANGES
    """The changes of expressions to the plan context."""


async def decide(
    *, subject: Subject | None, target_pk: str, mode: Mode, snapshot: Snapshot, context: PolicyContext
) -> Decision:
    """Decide whether the subject (None: not identified yet) passes the bindings of an object."""
    bindings = _bindings_of(target_pk, snapshot)
    if not bindings:
        user = None if subject is None else subject.user.pk
        return Decision(True, (), Trace(target_pk, mode, user, (), None, True, snapshot.number))  # noqa: FBT003
    return await _decide(bindings, PolicyRequest(subject, context, snapshot, target_pk), mode, snapshot)


async def decide_policies(
    policies: Sequence[str], *, subject: Subject | None, snapshot: Snapshot, context: PolicyContext, target_pk: str
) -> Decision:
    """Decide as if the policies (primary keys) were bound in mode "all". For the validation policies of prompts."""
    bindings = [
        PolicyBinding(pk=policy, policy=policy, target=target_pk, order=order) for order, policy in enumerate(policies)
    ]
    return await _decide(bindings, PolicyRequest(subject, context, snapshot, target_pk), "all", snapshot)


def has_bindings(target_pk: str, snapshot: Snapshot) -> bool:
    """Return whether the object has an enabled binding."""
    found = snapshot.referring(PolicyBinding, "target", target_pk)
    return bool(found) and any(binding.enabled for binding in found)


def _bindings_of(target_pk: str, snapshot: Snapshot) -> Sequence[PolicyBinding]:
    found = snapshot.referring(PolicyBinding, "target", target_pk)
    if len(found) <= 1:
        return found
    return sorted(found, key=lambda binding: (binding.order, str(binding.pk)))


async def _decide(
    bindings: Sequence[PolicyBinding], policy_request: PolicyRequest, mode: Mode, snapshot: Snapshot
) -> Decision:
    target = policy_request.target
    with span("policies") as work:
        steps, effects = await _steps(bindings, policy_request, snapshot)
        made = _conclude(
            steps, effects, target_pk=target, mode=mode, policy_request=policy_request, revision=snapshot.number
        )
        work.note("ostiary.target", target)
        work.note("ostiary.passing", made.passing)
        return made


async def _steps(
    bindings: Sequence[PolicyBinding], policy_request: PolicyRequest, snapshot: Snapshot
) -> tuple[list[TraceStep], DecisionEffects]:
    """Evaluate the bindings in order. Each expression sees the context changes of the ones before."""
    effects = DecisionEffects(policy_request)
    return [await _step(binding, effects, snapshot) for binding in bindings], effects


def _conclude(
    steps: Sequence[TraceStep],
    effects: DecisionEffects,
    *,
    target_pk: str,
    mode: Mode,
    policy_request: PolicyRequest,
    revision: int,
) -> Decision:
    if not steps:
        user = policy_request.subject.user.pk if policy_request.subject is not None else None
        trace = Trace(target=target_pk, mode=mode, user=user, steps=(), static=None, passing=True, revision=revision)
        return Decision(passing=True, messages=(), trace=trace)
    join = any if mode == "any" else all
    counted = [step for step in steps if step.result is not None]
    statics = [bool(step.result) for step in counted if step.kind != "policy"]
    static = join(statics) if statics else None
    results = [bool(step.result) for step in counted if step.kind == "policy"]
    if static is not None:
        results.append(static)
    passing = join(results) if results else True
    trace = Trace(
        target=target_pk,
        mode=mode,
        user=policy_request.subject.user.pk if policy_request.subject is not None else None,
        steps=tuple(steps),
        static=static,
        passing=passing,
        revision=revision,
    )
    messages = tuple(dict.fromkeys(message for step in counted for message in step.messages))
    snapshot = policy_request.snapshot
    told = [step for step in steps if step.how == "failed" and _log_failure(step, target_pk, policy_request)]
    logged = () if snapshot is None else execution_events(steps, policy_request, snapshot)
    events = (*_exceptions(told, policy_request), *logged, *effects.statements())
    return Decision(passing, messages, trace, events, _undecided(steps, static, mode), effects.plan)


def _undecided(steps: Sequence[TraceStep], static: bool | None, mode: Mode) -> bool:
    """Return whether the result depends on a failed policy."""
    if all(step.how != "failed" for step in steps):
        return False
    known = [bool(one.result) for one in steps if one.kind == "policy" and one.how not in {"failed", "disabled"}]
    if static is not None:
        known.append(static)
    return all(known) if mode == "all" else not any(known)


def _log_failure(step: TraceStep, target_pk: str, policy_request: PolicyRequest) -> bool:
    """Log a failure. Return whether to write an event: always for users, once a minute for anonymous requests."""
    first = log_not_evaluated(
        f"policy {step.name or step.object} of binding {step.binding} on {target_pk}",
        reason=step.error,
        consequence=f"it counts as {'passed' if step.result else 'failed'}, as failure_result says",
        now=policy_request.context.now,
    )
    return first or policy_request.subject is not None


async def _step(binding: PolicyBinding, effects: DecisionEffects, snapshot: Snapshot) -> TraceStep:
    kind: Literal["policy", "group", "user"] = (
        "policy" if binding.policy is not None else "group" if binding.group is not None else "user"
    )
    subject = effects.policy_request.subject
    if kind == "policy":
        return await _policy_step(binding, effects, snapshot)
    if kind == "group":
        matched = subject is not None and binding.group in subject.all_groups
    else:
        matched = subject is not None and binding.user == subject.user.pk
    return _trace_step(binding, kind=kind, name="", how="static", raw=matched)


async def _policy_step(binding: PolicyBinding, effects: DecisionEffects, snapshot: Snapshot) -> TraceStep:
    policy = snapshot.resolve(POLICY, binding.policy or "")
    name = policy.name if isinstance(policy, Policy) else ""
    if not binding.enabled:
        return _trace_step(binding, kind="policy", name=name, how="disabled", raw=None)
    seconds: float | None = None
    try:
        with span(f"policy {name}") as work:
            async with asyncio.timeout(binding.timeout or None):
                how, verdict = await _evaluate(policy, effects.policy_request)
            work.note("ostiary.passing", verdict.passing)
    except PolicyError as error:
        text, seconds = str(error), error.seconds
    except TimeoutError:
        text = f"took longer than {binding.timeout} seconds"
    except Exception as error:  # noqa: BLE001 - after any error, the failure result counts
        text = f"failed with {type(error).__name__}"
    else:
        effects.note(name, verdict)
        return _evaluated_step(binding, name, how, verdict)
    failed = _trace_step(binding, kind="policy", name=name, how="failed", raw=binding.failure_result, error=text)
    return failed if seconds is None else dataclasses.replace(failed, duration=round(seconds * 1_000_000))


def _evaluated_step(binding: PolicyBinding, name: str, how: How, verdict: PolicyResult) -> TraceStep:
    step = _trace_step(binding, kind="policy", name=name, how=how, raw=verdict.passing, messages=verdict.messages)
    if verdict.result is None:
        return step
    return dataclasses.replace(
        step, duration=round(verdict.result.seconds * 1_000_000), effects=describe_effects(verdict)
    )


async def _evaluate(policy: object, policy_request: PolicyRequest) -> tuple[How, PolicyResult]:
    """Evaluate one policy. Raises PolicyError."""
    if not isinstance(policy, Policy):
        raise NotAvailable(NO_SUCH_POLICY)
    return await policy.evaluate(policy_request)


def _trace_step(
    binding: PolicyBinding,
    *,
    kind: Literal["policy", "group", "user"],
    name: str,
    how: How,
    raw: bool | None,
    messages: tuple[str, ...] = (),
    error: str = "",
) -> TraceStep:
    if not binding.enabled:
        how, raw = "disabled", None
    # The failure result is used as configured, without negation.
    negate = binding.negate and how != "failed"
    return TraceStep(
        binding=binding.pk,
        order=binding.order,
        kind=kind,
        object=binding.policy or binding.group or binding.user or "",
        name=name,
        negate=binding.negate,
        how=how,
        raw=raw,
        result=None if raw is None else raw is not negate,
        messages=messages,
        error=error,
    )


def _exceptions(steps: Sequence[TraceStep], policy_request: PolicyRequest) -> tuple[Statement, ...]:
    subject, context = policy_request.subject, policy_request.context
    user = None
    if subject is not None:
        user = {"pk": subject.user.pk, "username": subject.user.username, "email": subject.user.email}
    return tuple(
        event(
            "policy_exception",
            user=user,
            app="authentik_policies",
            context={"message": step.error, "policy": step.name, "binding": str(step.binding)},
            client_ip=context.client_ip,
            now=context.now,
        )
        for step in steps
    )
