"""Expressions that only name what they return: `return {...}` of constants and of plain fields of the person.

Such an expression is read, never run: its syntax tree is walked once, and anything that is not a dictionary, list,
constant or one of the fields below makes it no literal. Conformance tests and small installations write these.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ostiary.expressions import Vocabulary, returned
from ostiary.mappings.stock import NativeMapping, native_mappings

if TYPE_CHECKING:
    from ostiary.directory.user import Subject

MAX_LENGTH: Final = 65_536  # characters
MAX_DEPTH: Final = 16  # levels of nesting

Value = Callable[["Subject"], object]


class _NotLiteral(Exception):
    """The expression is more than a literal."""


_FIELDS: Final[Mapping[str, Value]] = {
    "name": lambda subject: subject.user.name,
    "username": lambda subject: subject.user.username,
    "email": lambda subject: subject.user.email,
    "pk": lambda subject: subject.user.pk,
    "uuid": lambda subject: subject.user.uuid,
    "uid": lambda subject: subject.uid,
    "is_active": lambda subject: subject.user.is_active,
    "is_superuser": lambda subject: subject.is_superuser,
    "type": lambda subject: subject.user.type,
    "path": lambda subject: subject.user.path,
}


def read_literal(statements: Sequence[ast.stmt]) -> NativeMapping | None:
    """Return the native mapping for statements that return one literal, None for others."""
    value = returned(statements)
    if not isinstance(value, ast.Dict):
        return None
    try:
        items = _entries(value, MAX_DEPTH)
    except _NotLiteral:
        return None
    return NativeMapping(tuple(items), lambda subject: {name: read(subject) for name, read in items.items()})


def _read(node: ast.expr, depth: int) -> Value:
    if depth < 1:
        raise _NotLiteral
    match node:
        case ast.Constant(value=value) if value is None or isinstance(value, str | int | float | bool):
            return _constant(value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return _constant(-number)
        case ast.Dict():
            return _dictionary(node, depth - 1)
        case ast.List() | ast.Tuple():
            items = [_read(item, depth - 1) for item in node.elts]
            return lambda subject: [item(subject) for item in items]
        case ast.Attribute(value=ast.Attribute(value=ast.Name(id="request"), attr="user"), attr=name):
            return _field(name)
        case ast.ListComp():
            return _groups(node)
        case _:
            raise _NotLiteral


def _dictionary(node: ast.Dict, depth: int) -> Value:
    items = _entries(node, depth)
    return lambda subject: {name: value(subject) for name, value in items.items()}


def _entries(node: ast.Dict, depth: int) -> dict[str, Value]:
    entries: dict[str, Value] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            raise _NotLiteral
        entries[key.value] = _read(value, depth)
    return entries


def _groups(node: ast.ListComp) -> Value:
    """Read `[group.name for group in request.user.groups.all()]`, which every profile mapping has."""
    match node:
        case ast.ListComp(
            elt=ast.Attribute(value=ast.Name(id=element), attr="name"),
            generators=[
                ast.comprehension(
                    target=ast.Name(id=variable),
                    iter=ast.Call(
                        func=ast.Attribute(
                            value=ast.Attribute(
                                value=ast.Attribute(value=ast.Name(id="request"), attr="user"),
                                attr="groups" | "ak_groups",
                            ),
                            attr="all",
                        ),
                        args=[],
                        keywords=[],
                    ),
                    ifs=[],
                    is_async=0,
                )
            ],
        ) if element == variable:
            return lambda subject: [group.name for group in subject.groups]
        case _:
            raise _NotLiteral


def _field(name: str) -> Value:
    try:
        return _FIELDS[name]
    except KeyError:
        raise _NotLiteral from None


def _constant(value: str | float | bool | None) -> Value:
    return lambda _subject: value


VOCABULARY: Final = Vocabulary(shape=read_literal, by_hash=native_mappings, max_length=MAX_LENGTH)
"""The expressions that mappings evaluate natively."""
