"""Single changes that would grant access. Each is evaluated in memory, and named only if it changes the verdict."""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from ostiary.applications.resources import Application
from ostiary.flows.resources import Flow, FlowStageBinding
from ostiary.policies.resources import POLICY, PolicyBinding
from ostiary.record import dataclass
from ostiary.signon.explain.verdict import decide_verdict, sign_on_provider

if TYPE_CHECKING:
    from ostiary.signon.explain.situation import Situation

MAX_CHANGES: Final = 2_000
"""The maximum number of changes to evaluate."""
MAX_SECONDS: Final = 20.0  # for all of them: expressions run again for each change

Target = Application | Flow | FlowStageBinding


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleChange:
    """One change: `kind` and `object` for programs, `words` for people, and the situation after it."""

    kind: str
    object: str
    words: str
    after: Situation


@dataclass(frozen=True, slots=True)
class TriedChanges:
    """The changes that would each grant access. Without `complete` not all candidates were evaluated."""

    found: tuple[SingleChange, ...] = ()
    tried: int = 0
    complete: bool = True


async def changes_that_allow(situation: Situation, facts: Mapping[str, object]) -> TriedChanges:
    """Evaluate the single changes, within `MAX_CHANGES` and `MAX_SECONDS`."""
    found: list[SingleChange] = []
    tried = 0
    end = time.monotonic() + MAX_SECONDS
    for change in candidates(situation):
        if tried == MAX_CHANGES or time.monotonic() > end:
            return TriedChanges(tuple(found), tried, complete=False)
        tried += 1
        # guard: A82 only changes that allow it are named
        if (await decide_verdict(change.after, facts)).allowed:
            found.append(change)
    return TriedChanges(tuple(found), tried)


def candidates(situation: Situation) -> Iterator[SingleChange]:
    """Yield every single change that might matter, the smallest first."""
    targets = list(_targets(situation))
    yield from _of_the_account(situation)
    yield from _of_groups(situation, targets)
    for target, name in targets:
        yield _of_a_new_binding(situation, target, name)
        yield from _of_bindings(situation, target, name)
        yield from _of_the_mode(situation, target, name)


def _of_the_account(situation: Situation) -> Iterator[SingleChange]:
    subject = situation.subject
    if not subject.user.is_active:
        active = dataclasses.replace(subject, user=dataclasses.replace(subject.user, is_active=True))
        yield SingleChange(
            kind="activate_account",
            object=str(subject.user.pk),
            words=f"activate the account {subject.user.username}",
            after=dataclasses.replace(situation, subject=active),
        )


def _of_groups(situation: Situation, targets: Sequence[tuple[Target, str]]) -> Iterator[SingleChange]:
    """Yield joining each group that a binding or policy names, and leaving each group that inherits from one."""
    subject, groups = situation.subject, situation.groups
    direct = {group.pk for group in subject.groups}
    wanted = _groups_that_matter(situation, targets)
    for pk in sorted(wanted - subject.all_groups, key=lambda pk: groups.groups[pk].group.name):
        yield SingleChange(
            kind="join_group",
            object=pk,
            words=f"add {subject.user.username} to group {groups.groups[pk].group.name}",
            after=dataclasses.replace(situation, subject=groups.member_of(subject, {*direct, pk})),
        )
    for group in subject.groups:
        if wanted & groups.reach([group.pk]):
            yield SingleChange(
                kind="leave_group",
                object=group.pk,
                words=f"take {subject.user.username} out of group {group.name}",
                after=dataclasses.replace(situation, subject=groups.member_of(subject, direct - {group.pk})),
            )


def _groups_that_matter(situation: Situation, targets: Sequence[tuple[Target, str]]) -> set[str]:
    found: set[str] = set()
    texts = []
    for target, _ in targets:
        for binding in _bindings(situation, target):
            if binding.group is not None:
                found.add(binding.group)
            if binding.policy is not None:
                texts.append(str(getattr(situation.snapshot.resolve(POLICY, binding.policy), "expression", "")))
    text = "\n".join(texts)
    named = {
        pk
        for pk, placed in situation.groups.groups.items()
        if f'"{placed.group.name}"' in text or f"'{placed.group.name}'" in text
    }
    return (found | named) & situation.groups.groups.keys()


def _of_bindings(situation: Situation, target: Target, name: str) -> Iterator[SingleChange]:
    for binding in _bindings(situation, target):
        what = f"binding {binding.pk} ({_bound(situation, binding)}) of {name}"
        for kind, words, changes in (
            ("enable_binding", f"enable {what}", {"enabled": True}),
            ("disable_binding", f"disable {what}", {"enabled": False}),
            ("negate", f"turn on negate of {what}", {"negate": True}),
            ("do_not_negate", f"turn off negate of {what}", {"negate": False}),
            ("failure_result", f"let {what} pass when its policy cannot be evaluated", {"failure_result": True}),
        ):
            changed = dataclasses.replace(binding, **cast("Any", changes))
            if changed != binding:
                yield SingleChange(kind=kind, object=str(binding.pk), words=words, after=_put(situation, changed))


def _of_the_mode(situation: Situation, target: Target, name: str) -> Iterator[SingleChange]:
    other = "any" if target.policy_engine_mode == "all" else "all"
    words = "one binding" if other == "any" else "every binding"
    yield SingleChange(
        kind=f"mode_{other}",
        object=str(target.pk),
        words=f"let {words} decide about {name} (policy_engine_mode: {other})",
        after=_put(situation, dataclasses.replace(cast("Any", target), policy_engine_mode=other)),
    )


def _of_a_new_binding(situation: Situation, target: Target, name: str) -> SingleChange:
    user = situation.subject.user
    orders = [binding.order for binding in _bindings(situation, target)]
    made = PolicyBinding(
        pk=str(uuid.uuid4()), target=str(target.pk), user=user.pk, order=min(max(orders, default=-1) + 1, 2**31 - 1)
    )
    return SingleChange(
        kind="bind_user", object=str(target.pk), words=f"bind {user.username} to {name}", after=_put(situation, made)
    )


def _targets(situation: Situation) -> Iterator[tuple[Target, str]]:
    """Yield everything with policies: the application, its authorization flow, and the stage bindings of the flow."""
    snapshot, application = situation.snapshot, situation.application
    yield application, f"application {application.slug}"
    provider = sign_on_provider(situation)
    flow = None if provider is None else snapshot.get(Flow, provider.authorization_flow)
    if flow is not None:
        yield flow, f"flow {flow.slug}"
        for place in snapshot.referring(FlowStageBinding, "target", flow.pk):
            yield place, f"the place {place.order} of flow {flow.slug}"


def _bindings(situation: Situation, target: Target) -> Sequence[PolicyBinding]:
    return situation.snapshot.referring(PolicyBinding, "target", str(target.pk))


def _bound(situation: Situation, binding: PolicyBinding) -> str:
    if binding.policy is not None:
        return f"policy {getattr(situation.snapshot.resolve(POLICY, binding.policy), 'name', binding.policy)}"
    if binding.group is not None:
        placed = situation.groups.groups.get(binding.group)
        return f"group {binding.group if placed is None else placed.group.name}"
    user = situation.subject.user
    return f"user {user.username if binding.user == user.pk else binding.user}"


def _put(situation: Situation, item: Application | Flow | FlowStageBinding | PolicyBinding) -> Situation:
    snapshot = situation.snapshot.changed(number=situation.snapshot.number, put=[item], drop=())
    application = item if isinstance(item, Application) else situation.application
    return dataclasses.replace(situation, snapshot=snapshot, application=application)
