"""An explanation as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ostiary.events.sentences import binding_line, requirement
from ostiary.resource import codec

if TYPE_CHECKING:
    from ostiary.signon.explain.explanation import Explanation
    from ostiary.signon.explain.flow_runs import FlowRun, Place
    from ostiary.signon.explain.situation import BindingResult, DecisionDetails, UserSituation


def lines(item: Explanation) -> Iterator[str]:
    """Yield the lines: the verdict, then the decisions that led to it, then possible changes and claims."""
    user, application = item.situation.subject.user, item.situation.application
    if item.verdict.allowed:
        yield f"{user.username} may use {application.name}."
    else:
        yield f"{user.username} may not use {application.name}:"
        yield from (f"  {reason}" for reason in item.verdict.reasons)
    if item.depends:
        yield f"It depends on {', '.join(item.depends)}, which is not known here: a sign-in may be decided otherwise."
    number, newest = item.situation.snapshot.number, item.situation.newest_revision
    if newest not in {None, number}:
        yield f"As of revision {number} of the configuration (the newest is {newest}); people and groups as now."
    yield ""
    yield from examined(f"Application {application.slug}", item.policies, item.situation)
    for run in item.verdict.flows:
        yield ""
        yield from flow_lines(run, item.situation)
    yield ""
    if not item.verdict.allowed:
        yield from _changes(item)
        yield ""
    yield from _claims(item)


def examined(what: str, policies: DecisionDetails, situation: UserSituation) -> Iterator[str]:
    """Yield the lines of one decision: each binding with its result, messages and cost."""
    if not policies.steps:
        yield f"{what}: there are no bindings, so everybody may."
        return
    result = "yes" if policies.passing else "no"
    yield f"{what}: {result} ({requirement(policies.mode)}; revision {situation.snapshot.number})"
    yield from (f"  {_step(step, situation)}" for step in policies.steps)


def _step(step: BindingResult, situation: UserSituation) -> str:
    values = step.step
    kind, name = values["kind"], None
    placed = situation.groups.groups.get(str(values["object"]))
    user = situation.subject.user
    if kind == "group" and placed is not None:
        name = placed.group.name
    elif kind == "user" and values["object"] == user.pk:
        name = user.username
    return binding_line(values, name=name, more=[f"depends on {fact}" for fact in step.depends], cost=f"{step.cost} µs")


def flow_lines(run: FlowRun, situation: UserSituation) -> Iterator[str]:
    """Yield the lines of a flow: its policies, then each stage with its outcome and policies."""
    yield f"Flow {run.slug} ({run.role}){f': {run.refusal}' if run.refusal else ''}"
    if run.policies is not None and run.policies.steps:
        yield from (f"  {line}" for line in examined("bound to the flow", run.policies, situation))
    for place in run.places:
        yield f"  {_place(place)}"
        if place.policies is not None:
            yield from (f"      {_step(step, situation)}" for step in place.policies.steps)


def simulation_lines(run: FlowRun, situation: UserSituation) -> Iterator[str]:
    """Yield the lines of one flow that was walked through, the result first."""
    who = situation.subject.user.username
    unknown = [
        *(run.policies.depends if run.policies is not None else ()),
        *(name for place in run.places for name in place.depends),
    ]
    yield (
        f"{who} would not pass flow {run.slug}: {run.refusal}." if run.refusal else f"{who} would pass flow {run.slug}."
    )
    if unknown:
        names = ", ".join(dict.fromkeys(unknown))
        yield f"It depends on {names}, which is not known here: a real run may be decided otherwise."
    yield ""
    yield from flow_lines(run, situation)


def _place(place: Place) -> str:
    depends = f"; depends on {', '.join(place.depends)}" if place.depends else ""
    return f"{place.order}: {place.kind} {place.stage}: {place.fate}{depends}"


def _claims(item: Explanation) -> Iterator[str]:
    if item.released is None:
        yield "No protocol tells this application about people."
        return
    yield (
        "The application would receive:" if item.verdict.allowed else "Were it allowed, the application would receive:"
    )
    for what, claims in item.released.claims.items():
        yield f"  {what}:"
        yield from (f"    {name}: {codec.encode_canonical(value)}" for name, value in sorted(claims.items()))
    for name, reason in sorted(item.released.failed.items()):
        yield f"  mapping {name}: {reason}"


def _changes(item: Explanation) -> Iterator[str]:
    changes = item.changes
    if changes.found:
        yield "Any one of these would allow it:"
        yield from (f"  {change.words}" for change in changes.found)
    elif changes.complete:
        yield f"No single change would allow it ({changes.tried} were tried)."
    if not changes.complete:
        yield f"Only {changes.tried} changes were tried; there are more."
