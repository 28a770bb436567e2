"""Reads the fields of a definition from its annotations."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Hashable, Mapping
from typing import Annotated, Any, Final, Literal, get_args, get_origin, get_type_hints

from ostiary.resource.field import Field, Shape
from ostiary.resource.marks import Choices, Flag, Help, Length, Mark, Pattern, Range, Reference, Sealed
from ostiary.seal import Secret

_MISSING: Final = dataclasses.MISSING


def record_fields(model: type[Any]) -> Mapping[str, Field]:
    """Return the fields of a frozen dataclass, in order, each read from its annotation."""
    return _read_fields(typing.cast("Hashable", model))


@functools.cache
def _read_fields(key: Hashable) -> Mapping[str, Field]:
    model = typing.cast("type[Any]", key)
    hints = get_type_hints(model, include_extras=True)
    return {item.name: _read_field(item, hints[item.name]) for item in dataclasses.fields(model) if item.name != "pk"}


def _read_field(item: dataclasses.Field[Any], hint: object) -> Field:
    marks: list[Mark] = []
    if get_origin(hint) is Annotated:
        hint, *extra = get_args(hint)
        marks = [mark for mark in extra if isinstance(mark, Mark)]
    nullable, hint = _strip_none(hint)
    many = get_origin(hint) is tuple
    if many:
        hint = get_args(hint)[0]
    found = {type(mark): mark for mark in marks}
    reference = typing.cast("Reference | None", found.get(Reference))
    sealed = typing.cast("Sealed | None", found.get(Sealed))
    shape, choices, record = _read_shape(item.name, hint, reference)
    listed = typing.cast("Choices | None", found.get(Choices))
    if listed is not None:
        shape, choices = Shape.CHOICE, listed.values
    if Flag.TIMESTAMP in marks:
        shape = Shape.TEXT  # a number inside, a text outside
    default: Callable[[], object]
    if item.default is not _MISSING:
        value = item.default
        default = lambda: value  # noqa: E731
    elif item.default_factory is not _MISSING:
        default = item.default_factory
    else:
        default = lambda: None  # noqa: E731
    return Field(
        name=item.name,
        shape=shape,
        many=many,
        nullable=nullable,
        required=item.default is _MISSING and item.default_factory is _MISSING,
        default=default,
        constant=item.default is not _MISSING,
        choices=choices,
        record=record,
        parts=record_fields(record) if record is not None else {},
        reference=reference,
        sealed=sealed.reading if sealed else None,
        help=typing.cast("Help", found.get(Help, Help(""))).text,
        length=typing.cast("Length", found.get(Length, Length())),
        range=typing.cast("Range", found.get(Range, Range())),
        pattern=typing.cast("Pattern | None", found.get(Pattern)),
        flags=frozenset(mark for mark in marks if isinstance(mark, Flag)),
    )


def _strip_none(hint: object) -> tuple[bool, object]:
    if get_origin(hint) not in {types.UnionType, typing.Union}:
        return False, hint
    rest = [part for part in get_args(hint) if part is not type(None)]
    if len(rest) == len(get_args(hint)):
        return False, rest[0]
    return True, rest[0]


def _read_shape(
    name: str, hint: object, reference: Reference | None
) -> tuple[Shape, tuple[str | int, ...], type[Any] | None]:
    if reference is not None:
        return Shape.KEY, (), None
    if get_origin(hint) is Literal:
        return Shape.CHOICE, get_args(hint), None
    if get_origin(hint) is not None and issubclass(typing.cast("type[Any]", get_origin(hint)), Mapping):
        return Shape.OBJECT, (), None
    simple: dict[object, Shape] = {
        str: Shape.TEXT,
        Secret: Shape.TEXT,
        bool: Shape.BOOLEAN,
        int: Shape.INTEGER,
        float: Shape.NUMBER,
    }
    if hint in simple:
        return simple[hint], (), None
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return Shape.RECORD, (), hint
    message = f"field {name}: no shape for {hint!r}"
    raise TypeError(message)
