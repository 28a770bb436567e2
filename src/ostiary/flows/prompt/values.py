"""What a prompt field shows: its initial value, its placeholder and its choices.

Expressions are read, never executed: those that return a constant, or a field of the user, are understood; of any
other nothing is shown.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ostiary.directory.user import User

_USER_FIELDS: Final = frozenset({"username", "name", "email"})
LOCALE: Final = 'return user.attributes.get("settings", {}).get("locale", "")'


def is_understood(source: str) -> bool:
    """Tell whether an expression is one of those that can be read."""
    return any(_readable(returned) for returned in _returns(source))


def value_of(source: str, *, is_expression: bool, user: User | None) -> object:
    """Return the text of a field, or what its expression amounts to; "" for one that is not understood."""
    if not is_expression:
        return source
    for returned in _returns(source):
        found = _read(returned, user)
        if found is not None:
            return found
    return ""


def choices_of(value: object) -> list[dict[str, str]]:
    """Return the choices of a list of texts, or of mappings with value and label."""
    items = value if isinstance(value, list | tuple) else [value] if value else []
    found: list[dict[str, str]] = []
    for one in items:
        if isinstance(one, Mapping):
            chosen = str(one.get("value", ""))
            found.append({"value": chosen, "label": str(one.get("label", chosen))})
        else:
            found.append({"value": str(one), "label": str(one)})
    return found


def _returns(source: str) -> list[ast.expr]:
    """Return what the body of an expression returns, in order: a bare return, or one within a try."""
    body = "".join(f"    {line}\n" for line in source.splitlines())
    try:
        tree = ast.parse(f"def expression():\n{body}")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    match tree.body:
        case [ast.FunctionDef(body=[ast.Return(value=ast.expr() as value)])]:
            return [value]
        case [ast.FunctionDef(body=[ast.Try(body=[ast.Return(value=ast.expr() as value)], finalbody=[])])]:
            return [value]
    return []


def _readable(value: ast.expr) -> bool:
    return _read(value, None) is not None or (isinstance(value, ast.Constant) and value.value is None)


def _read(value: ast.expr, user: User | None) -> object:
    match value:
        case ast.Attribute(value=ast.Name(id="user"), attr=name) if name in _USER_FIELDS:
            return str(getattr(user, name)) if user is not None else ""
        case ast.Call() if ast.dump(value) == _LOCALE_TREE:
            settings = user.attributes.get("settings") if user is not None else None
            return str(settings.get("locale", "")) if isinstance(settings, Mapping) else ""
    try:
        return ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None


_LOCALE_TREE: Final = ast.dump(ast.parse(LOCALE.removeprefix("return "), mode="eval").body)
