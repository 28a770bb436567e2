"""The 14 tags: which arguments each takes. One function per form, one table at the end."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Final

from ostiary.blueprints.errors import Unreadable
from ostiary.blueprints.text.nodes import (
    AtIndex,
    Condition,
    Context,
    Defaulted,
    Enumerate,
    Env,
    File,
    Find,
    FindObject,
    Format,
    If,
    Index,
    Items,
    KeyOf,
    Node,
    ParseJSON,
    Plain,
    Value,
)
from ostiary.blueprints.text.source import TextPosition
from ostiary.record import dataclass

MODES: Final = ("AND", "NAND", "OR", "NOR", "XOR", "XNOR")
OUTPUTS: Final = ("SEQ", "MAP")
_MAX_NUMBER_LENGTH: Final = 200  # characters


@dataclass(frozen=True, slots=True)
class Argument:
    """The argument of a tag: a text, a list, or neither (a mapping)."""

    position: TextPosition
    text: str | None = None
    items: tuple[Node, ...] | None = None

    def sequence(self, form: str, *sizes: int) -> tuple[Node, ...]:
        """Return the list, of one of `sizes` items (none given: at least one). Raises Unreadable naming the form."""
        if self.items is None or (sizes and len(self.items) not in sizes) or not self.items:
            raise Unreadable.at(self.position, f"expected {form}")
        return self.items

    def scalar(self, form: str) -> str:
        """Return the text, which must not be empty. Raises Unreadable naming the form."""
        if not self.text:
            raise Unreadable.at(self.position, f"expected {form}")
        return self.text


Make = Callable[[Argument], Node]


def _key_of(argument: Argument) -> Node:
    return KeyOf(argument.position, argument.scalar("!KeyOf ID"))


def _find(tag: type[Find]) -> Make:
    form = f"{tag.NAME} [MODEL, [FIELD, VALUE], ...]"

    def make(argument: Argument) -> Node:
        model, *pairs = argument.sequence(form)
        lookups = []
        for pair in pairs:
            if not isinstance(pair, Items) or len(pair.items) < 2:  # noqa: PLR2004 - a pair, at least
                raise Unreadable.at(pair.position, f"expected a pair [FIELD, VALUE] in {form}")
            lookups.append((pair.items[0], pair.items[1]))
        if not lookups:
            raise Unreadable.at(argument.position, f"expected {form} with at least one pair")
        spare = any(isinstance(pair, Items) and len(pair.items) > 2 for pair in pairs)  # noqa: PLR2004
        return tag(argument.position, model, tuple(lookups), spare)

    return make


def _defaulted(tag: type[Defaulted]) -> Make:
    form = f"{tag.NAME} NAME or {tag.NAME} [NAME, DEFAULT]"

    def make(argument: Argument) -> Node:
        if argument.items is None:
            return tag(argument.position, Plain(argument.position, argument.scalar(form)), None)
        key, *default = argument.sequence(form, 1, 2)
        return tag(argument.position, key, default[0] if default else None)

    return make


def _format(argument: Argument) -> Node:
    pattern, *arguments = argument.sequence("!Format [TEXT, ARGUMENT, ...]")
    return Format(argument.position, pattern, tuple(arguments))


def _if(argument: Argument) -> Node:
    condition, *branches = argument.sequence("!If [CONDITION] or !If [CONDITION, THEN, ELSE]", 1, 3)
    return If(argument.position, condition, (branches[0], branches[1]) if branches else None)


def _condition(argument: Argument) -> Node:
    mode, *arguments = argument.sequence("!Condition [MODE, VALUE, ...]")
    if not arguments:
        raise Unreadable.at(argument.position, "expected !Condition [MODE, VALUE, ...] with at least one value")
    return Condition(argument.position, _word(mode, MODES), tuple(arguments))


def _enumerate(argument: Argument) -> Node:
    iterable, output, body = argument.sequence("!Enumerate [LIST OR MAPPING, SEQ or MAP, BODY]", 3)
    if isinstance(iterable, Index | Value) and iterable.depth == 0:
        raise Unreadable.at(iterable.position, f"{iterable.NAME} 0 is the !Enumerate itself here, expected depth 1")
    return Enumerate(argument.position, iterable, _word(output, OUTPUTS), body)


def _word(node: Node, words: tuple[str, ...]) -> str:
    word = node.value.upper() if isinstance(node, Plain) and isinstance(node.value, str) else ""
    if word not in words:
        raise Unreadable.at(node.position, f"expected one of {', '.join(words)}")
    return word


def _depth(tag: type[Index | Value]) -> Make:
    def make(argument: Argument) -> Node:
        text = argument.scalar(f"{tag.NAME} DEPTH").strip()
        if not (text.isascii() and text.isdigit() and len(text) < 4):  # noqa: PLR2004 - nobody nests a thousand
            raise Unreadable.at(argument.position, f"expected {tag.NAME} DEPTH, a whole number from 0")
        return tag(argument.position, int(text))

    return make


def _at_index(argument: Argument) -> Node:
    items = argument.sequence("!AtIndex [LIST OR MAPPING, KEY] or !AtIndex [LIST OR MAPPING, KEY, DEFAULT]", 2, 3)
    return AtIndex(argument.position, items[0], items[1], items[2] if len(items) == 3 else None)  # noqa: PLR2004


def _parse_json(argument: Argument) -> Node:
    text = argument.scalar("!ParseJSON TEXT")
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_int=_integer, parse_float=_number)
    except (ValueError, RecursionError):
        raise Unreadable.at(argument.position, "expected a JSON text") from None
    return ParseJSON(argument.position, value)


def _integer(text: str) -> int:
    if len(text) > _MAX_NUMBER_LENGTH:  # whatever the interpreter's own limit was set to
        raise ValueError(text[:_MAX_NUMBER_LENGTH])
    return int(text)


def _number(text: str) -> float:
    number = float(text) if len(text) <= _MAX_NUMBER_LENGTH else math.inf
    if not math.isfinite(number):
        raise ValueError(text[:_MAX_NUMBER_LENGTH])
    return number


def _no_constant(name: str) -> object:
    raise ValueError(name)


TAGS: Final[Mapping[str, Make]] = {
    "!KeyOf": _key_of,
    "!Find": _find(Find),
    "!FindObject": _find(FindObject),
    "!Context": _defaulted(Context),
    "!Env": _defaulted(Env),
    "!File": _defaulted(File),
    "!Format": _format,
    "!If": _if,
    "!Condition": _condition,
    "!Enumerate": _enumerate,
    "!Index": _depth(Index),
    "!Value": _depth(Value),
    "!AtIndex": _at_index,
    "!ParseJSON": _parse_json,
}
