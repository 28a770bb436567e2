"""The expressions of prompts that are evaluated natively, and the conversion of values to choices.

They return a constant or a field of the user, which is enough for the shipped forms.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ostiary.expressions import Vocabulary, returned
from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.directory.user import User

_USER_FIELDS: Final = frozenset({"username", "name", "email"})
Value = Callable[["User | None"], object]
LOCALE: Final = 'return user.attributes.get("settings", {}).get("locale", "")'


@dataclass(frozen=True, slots=True)
class PromptChoice:
    """One choice: its value and its label."""

    value: object
    label: str


def choices_of(value: object) -> list[PromptChoice]:
    """Return the choices of a list of values, or of mappings with value and label; any other value is the only one."""
    items = value if isinstance(value, list | tuple | set | frozenset) else [value] if value else []
    return [_choice(one) for one in items]


def _choice(one: object) -> PromptChoice:
    if isinstance(one, Mapping):
        chosen = one.get("value", "")
        return PromptChoice(chosen, str(one.get("label", chosen)))
    return PromptChoice(one, str(one))


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
"""The expressions that prompts evaluate natively."""
