"""What a prompt field shows: its initial value, its placeholder and its choices.

Expressions are read, never executed: those that return a constant, or a field of the user, are understood; of any
other nothing is shown.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ostiary.expressions import Vocabulary, can_evaluate, meaning_of, returned

if TYPE_CHECKING:
    from ostiary.directory.user import User

_USER_FIELDS: Final = frozenset({"username", "name", "email"})
Value = Callable[["User | None"], object]
LOCALE: Final = 'return user.attributes.get("settings", {}).get("locale", "")'


def is_understood(source: str) -> bool:
    """Return whether an expression is one of those that can be read."""
    return can_evaluate(source, VOCABULARY)


def value_of(source: str, *, is_expression: bool, user: User | None) -> object:
    """Return the text of a field, or what its expression amounts to; "" for one that is not understood."""
    if not is_expression:
        return source
    meaning = meaning_of(source, VOCABULARY)
    return "" if meaning is None else meaning.value(user)


def choices_of(value: object) -> list[dict[str, str]]:
    """Return the choices of a list of texts, or of mappings with value and label."""
    items = value if isinstance(value, list | tuple) else [value] if value else []
    choices: list[dict[str, str]] = []
    for one in items:
        if isinstance(one, Mapping):
            chosen = str(one.get("value", ""))
            choices.append({"value": chosen, "label": str(one.get("label", chosen))})
        else:
            choices.append({"value": str(one), "label": str(one)})
    return choices


def _shape(statements: Sequence[ast.stmt]) -> Value | None:
    """Read a bare return, or one within a try."""
    match statements:
        case [ast.Try(body=[*inner], finalbody=[])]:
            statements = inner
    value = returned(statements)
    return None if value is None else _value(value)


def _value(returned: ast.expr) -> Value | None:
    match returned:
        case ast.Attribute(value=ast.Name(id="user"), attr=name) if name in _USER_FIELDS:
            return lambda user: "" if user is None else str(getattr(user, name))
        case ast.Call() if ast.dump(returned) == _LOCALE_TREE:
            return _locale
    try:
        constant = ast.literal_eval(returned)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
    return lambda _: "" if constant is None else constant


def _locale(user: User | None) -> object:
    settings = user.attributes.get("settings") if user is not None else None
    return str(settings.get("locale", "")) if isinstance(settings, Mapping) else ""


_LOCALE_TREE: Final = ast.dump(ast.parse(LOCALE.removeprefix("return "), mode="eval").body)
VOCABULARY: Final = Vocabulary(shape=_shape)
"""The expressions that prompts understand."""
