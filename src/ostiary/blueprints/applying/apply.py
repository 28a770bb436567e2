"""Applies one blueprint to one workspace.

The caller commits the workspace, or drops it: nothing of a blueprint is applied unless all of it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import field
from typing import Final

from ostiary.blueprints.applying.changed import Changed, Sign, changed
from ostiary.blueprints.applying.entry import EntryRun, FindBlueprint, GeneratedSecret
from ostiary.blueprints.applying.resolve import Resolver
from ostiary.blueprints.errors import EntryRefused, Fault
from ostiary.blueprints.models import model_name, why_missing
from ostiary.blueprints.text.document import Blueprint, unconditional_model
from ostiary.blueprints.text.nodes import Node, from_plain, merged
from ostiary.blueprints.text.source import TextPosition
from ostiary.record import dataclass
from ostiary.resource import Pk, Registry
from ostiary.store.workspace.changes import Key
from ostiary.store.workspace.editor import Workspace

_RUN: Final = TextPosition("(context of the run)", 1, 1)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The environment of a blueprint, beside the workspace."""

    registry: Registry
    environ: Mapping[str, str]
    read_file: Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Order:
    """A blueprint to apply, with its options."""

    blueprint: Blueprint
    context: Mapping[str, object] = field(default_factory=dict)  # of its instance; wins over the file's own
    remembered: Mapping[str, Pk] | None = None
    """Shipped blueprints only: the object that each entry created. A deleted object stays deleted, and a renamed
    one is still recognised."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The changes of a blueprint. Only `generated_secrets` holds secrets."""

    changes: tuple[Changed, ...] = ()
    unchanged: tuple[str, ...] = ()
    generated_secrets: tuple[GeneratedSecret, ...] = ()  # secrets of new objects that the file left to us
    notices: tuple[str, ...] = ()
    failed_lookups: int = 0  # look-ups that found nothing
    keys: Mapping[str, Pk] = field(default_factory=dict)  # primary key of each entry with an id

    @property
    def changed(self) -> bool:
        """Return whether anything was created, updated or deleted."""
        return bool(self.changes)

    @property
    def created(self) -> tuple[str, ...]:
        """The labels of new objects."""
        return self._labels("+")

    @property
    def updated(self) -> tuple[str, ...]:
        """The labels of changed objects."""
        return self._labels("~")

    @property
    def deleted(self) -> tuple[str, ...]:
        """The labels of deleted objects."""
        return self._labels("-")

    def _labels(self, sign: Sign) -> tuple[str, ...]:
        return tuple(one.label for one in self.changes if one.sign == sign)


async def apply_blueprint(
    order: Order,
    workspace: Workspace,
    *,
    surroundings: Surroundings,
    find_blueprint: FindBlueprint,
    finished: frozenset[str],
) -> Applied:
    """Apply the blueprint to the workspace; `finished` are the paths applied before in this run.

    Raises Refused with the faults of the first entry that fails, WaitsFor.
    """
    resolver = Resolver(
        registry=surroundings.registry,
        match=workspace.match,
        environ=surroundings.environ,
        read_file=surroundings.read_file,
        context=_context(order, surroundings.registry),
    )
    run = EntryRun(
        workspace=workspace,
        resolver=resolver,
        find_blueprint=find_blueprint,
        finished=finished,
        remembered=order.remembered,
    )
    _refuse_unbuilt(order.blueprint, surroundings.registry)
    before = _pending(workspace)
    for entry in order.blueprint.entries:
        await run.apply(entry)
    await workspace.settle()
    changes, unchanged = _changes(workspace, before, run.labels, resolver.revealed)
    return Applied(
        changes=changes,
        unchanged=unchanged,
        generated_secrets=tuple(run.generated_secrets),
        notices=(*order.blueprint.notices, *run.notices, *resolver.notices),
        failed_lookups=resolver.failed_lookups,
        keys=run.keys,
    )


def _refuse_unbuilt(blueprint: Blueprint, registry: Registry) -> None:
    """Refuse a file that needs unsupported models, naming all of them at once. Raises Refused."""
    faults = [
        Fault(entry.model.position, why_missing(model, (kind.name for kind in registry)), entry.describe())
        for entry in blueprint.entries
        if (model := unconditional_model(entry)) and model_name(model) not in registry
    ]
    if faults:
        raise EntryRefused(faults)


def _context(order: Order, registry: Registry) -> dict[str, Node]:
    """Merge the values of every run, the file's context and the instance's.

    authentik also says `goauthentik.io/enterprise/licensed`, by a slip always as true; here it is false, because the
    models that files guard with it do not exist.
    """
    always = {
        "goauthentik.io/rbac/models": {kind.model_name: kind.app_label for kind in registry},
        "goauthentik.io/enterprise/licensed": False,
    }
    context = {name: from_plain(value, _RUN) for name, value in always.items()}
    instance = {name: from_plain(value, _RUN) for name, value in order.context.items()}
    for layer in (order.blueprint.context, instance):
        for name, node in layer.items():
            context[name] = merged(context[name], node) if name in context else node
    return context


_Pending = dict[Key, Mapping[str, object] | None]


def _pending(workspace: Workspace) -> _Pending:
    """Return the changes that are pending already. A preview applies several blueprints to one workspace."""
    return {(change.kind.name, change.pk): change.after for change in workspace.changes}


def _changes(
    workspace: Workspace, before: _Pending, labels: Mapping[Key, str], revealed: Collection[str]
) -> tuple[tuple[Changed, ...], tuple[str, ...]]:
    """Return the changes, and the labels of unchanged objects."""
    changes: dict[Key, Changed] = {}
    for change in workspace.changes:
        key = (change.kind.name, change.pk)
        if key in before and before[key] == change.after:
            continue
        label = labels.get(key, f"{change.kind.name} {change.label}")
        one = changed(change, before.get(key, change.before), label=label, revealed=revealed)
        if one is not None:
            changes[key] = one
    return tuple(changes.values()), tuple(label for key, label in labels.items() if key not in changes)
