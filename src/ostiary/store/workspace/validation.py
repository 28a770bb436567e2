"""What must hold before an object may be written: shape, references, uniqueness, and the kind's own check."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from ostiary.resource import UNIQUE, InvalidResource, Kind, Look, Pk, Problem, UnknownKind
from ostiary.resource.field import Field
from ostiary.store.configuration.snapshot import targets
from ostiary.store.workspace.changes import Stored
from ostiary.store.workspace.overlay import Overlay


async def validated(
    view: Overlay,
    kind: Kind,
    values: Mapping[str, object],
    *,
    pk: Pk,
    current: Mapping[str, object] | None = None,
    problems: Sequence[Problem] = (),
) -> dict[str, object]:
    """Return the whole field values for what somebody wrote, on top of `current`, with references spelled right.

    Raises InvalidResource with every problem at once, `problems` first.
    """
    result, wrong = kind.examine(values, current=current)
    readable = not wrong
    found = [*problems, *wrong]
    for field in kind.fields.values():
        if field.reference is not None and field.name in result and (current is None or field.name in values):
            found.extend(await _refer(view, field, result))
    found.extend([problem async for problem in _unique(view, Stored(kind, pk, result), current)])
    if readable:
        found.extend(_check(kind, pk, result))
    if not found and kind.check_with is not None:
        found.extend(await kind.check_with(kind.model(pk=pk, **result), _look(view)))
    if found:
        raise InvalidResource(kind.name, found)
    return result


async def _refer(view: Overlay, field: Field, result: dict[str, object]) -> list[Problem]:
    assert field.reference is not None  # noqa: S101 - the caller has looked
    problems: list[Problem] = []
    keys: list[Pk] = []
    for pk in targets(field, result[field.name]):
        try:
            target = await view.resolve(field.reference.target, pk)
        except UnknownKind:
            message = f"leads to a {field.reference.target}, which this version does not have"
            return [Problem(field.name, message)]
        if target is None:
            problems.append(Problem(field.name, f"{pk} is not {field.expectation()}"))
        else:
            keys.append(target.pk)
    if not problems and keys:
        result[field.name] = tuple(dict.fromkeys(keys)) if field.many else keys[0]
    return problems


async def _unique(view: Overlay, stored: Stored, current: Mapping[str, object] | None) -> AsyncIterator[Problem]:
    for names in (*((name,) for name in _unique_fields(stored.kind)), *stored.kind.unique_together):
        wanted = {name: stored.values.get(name) for name in names}
        if any(value is None for value in wanted.values()):
            continue  # as in SQL: what is not set is not the same
        if current is not None and all(current.get(name) == value for name, value in wanted.items()):
            continue
        for kind in _scope(view, stored.kind, names):
            for other in await view.equal(kind, wanted):
                if other.key != stored.key:
                    yield _taken(names, other)
                    break


def _taken(names: Sequence[str], other: Stored) -> Problem:
    if len(names) == 1:
        return Problem(names[0], f"is already used by {other.kind.name} {other.label}, expected a value of its own")
    return Problem("", f"{', '.join(names)} are already used together by {other.kind.name} {other.label}")


def _unique_fields(kind: Kind) -> Iterable[str]:
    return (name for name, field in kind.fields.items() if UNIQUE in field.flags)


def _scope(view: Overlay, kind: Kind, names: Sequence[str]) -> Iterable[Kind]:
    """Return the kinds among which the fields are unique: all that inherit the class that declares them."""
    if len(names) > 1:
        return (kind,)
    owner = next(model for model in kind.model.__mro__ if names[0] in inspect.get_annotations(model))
    return (other for other in view.registry if issubclass(other.model, owner))


def _look(view: Overlay) -> Look:
    async def look(target: str, pk: Pk) -> Any:
        found = await view.resolve(target, pk)
        return None if found is None else found.kind.model(pk=found.pk, **found.values)

    return look


def _check(kind: Kind, pk: Pk, values: Mapping[str, object]) -> Sequence[Problem]:
    try:
        kind.make(pk, values)
    except InvalidResource as error:
        return error.problems
    return ()
