"""Validation of an object: shape, references, uniqueness, and the check of its kind."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from ostiary.resource import UNIQUE, InvalidResource, Kind, Look, Pk, Problem, UnknownKind
from ostiary.resource.field import Field
from ostiary.store.configuration.snapshot import targets
from ostiary.store.workspace.changes import StoredObject
from ostiary.store.workspace.overlay import Overlay


async def validated(
    overlay: Overlay,
    kind: Kind,
    values: Mapping[str, object],
    *,
    pk: Pk,
    current: Mapping[str, object] | None = None,
    problems: Sequence[Problem] = (),
) -> dict[str, object]:
    """Return all field values: `values` over `current`, with references as primary keys.

    Raises InvalidResource with every problem at once, `problems` first.
    """
    result, invalid = kind.examine(values, current=current)
    is_well_formed = not invalid
    problems_found = [*problems, *invalid]
    for field in kind.fields.values():
        if field.reference is not None and field.name in result and (current is None or field.name in values):
            problems_found.extend(await _validate_references(overlay, field, result))
    problems_found.extend(
        [problem async for problem in _validate_unique(overlay, StoredObject(kind, pk, result), current)]
    )
    if is_well_formed:
        problems_found.extend(_validate_model(kind, pk, result))
    if not problems_found and kind.check_with is not None:
        problems_found.extend(await kind.check_with(kind.model(pk=pk, **result), _look(overlay)))
    if problems_found:
        raise InvalidResource(kind.name, problems_found)
    return result


async def _validate_references(overlay: Overlay, field: Field, result: dict[str, object]) -> list[Problem]:
    assert field.reference is not None  # noqa: S101 - the caller has looked
    problems: list[Problem] = []
    keys: list[Pk] = []
    for pk in targets(field, result[field.name]):
        try:
            target = await overlay.resolve(field.reference.target, pk)
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


async def _validate_unique(
    overlay: Overlay, stored: StoredObject, current: Mapping[str, object] | None
) -> AsyncIterator[Problem]:
    for names in (*((name,) for name in _unique_fields(stored.kind)), *stored.kind.unique_together):
        unique_values = {name: stored.values.get(name) for name in names}
        if any(value is None for value in unique_values.values()):
            continue  # as in SQL: NULL equals nothing
        if current is not None and all(current.get(name) == value for name, value in unique_values.items()):
            continue
        for kind in _scope(overlay, stored.kind, names):
            for other in await overlay.equal(kind, unique_values):
                if other.key != stored.key:
                    yield _already_used(names, other)
                    break


def _already_used(names: Sequence[str], other: StoredObject) -> Problem:
    if len(names) == 1:
        return Problem(names[0], f"is already used by {other.kind.name} {other.label}, expected a value of its own")
    return Problem("", f"{', '.join(names)} are already used together by {other.kind.name} {other.label}")


def _unique_fields(kind: Kind) -> Iterable[str]:
    return (name for name, field in kind.fields.items() if UNIQUE in field.flags)


def _scope(overlay: Overlay, kind: Kind, names: Sequence[str]) -> Iterable[Kind]:
    """Return the kinds among which the fields are unique: all that inherit the declaring class."""
    if len(names) > 1:
        return (kind,)
    owner = next(model for model in kind.model.__mro__ if names[0] in inspect.get_annotations(model))
    return (other for other in overlay.registry if issubclass(other.model, owner))


def _look(overlay: Overlay) -> Look:
    async def look(target: str, pk: Pk) -> Any:
        stored = await overlay.resolve(target, pk)
        return None if stored is None else stored.kind.model(pk=stored.pk, **stored.values)

    return look


def _validate_model(kind: Kind, pk: Pk, values: Mapping[str, object]) -> Sequence[Problem]:
    try:
        kind.make(pk, values)
    except InvalidResource as error:
        return error.problems
    return ()
