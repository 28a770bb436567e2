"""The nodes of a loaded blueprint: plain values, lists, mappings and the 14 tags, each with its position.

Nodes are immutable and compared by identity: an anchor and its aliases are one node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import ClassVar

from ostiary.blueprints.text.source import TextPosition
from ostiary.record import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """Anything written in a blueprint."""

    position: TextPosition


@dataclass(frozen=True, slots=True, eq=False)
class Plain(Node):
    """A value without tags."""

    value: object


@dataclass(frozen=True, slots=True, eq=False)
class Items(Node):
    """A list."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Table(Node):
    """A mapping in the order written; keys are plain and unique."""

    pairs: Mapping[object, Node]
    places: Mapping[object, TextPosition]  # of the keys


@dataclass(frozen=True, slots=True, eq=False)
class Tag(Node):
    """A value that is resolved when its entry is applied."""

    NAME: ClassVar[str] = ""


@dataclass(frozen=True, slots=True, eq=False)
class KeyOf(Tag):
    """The primary key of an entry applied earlier."""

    NAME: ClassVar[str] = "!KeyOf"
    id: str


@dataclass(frozen=True, slots=True, eq=False)
class Find(Tag):
    """The primary key of the first object that matches, or null."""

    NAME: ClassVar[str] = "!Find"
    model: Node
    lookups: tuple[tuple[Node, Node], ...]
    spare: bool = False  # a pair had more than two items


@dataclass(frozen=True, slots=True, eq=False)
class FindObject(Find):
    """The whole object, as API v3 shows it, or null."""

    NAME: ClassVar[str] = "!FindObject"


@dataclass(frozen=True, slots=True, eq=False)
class Defaulted(Tag):
    """A name to look up, and a default."""

    key: Node
    default: Node | None


@dataclass(frozen=True, slots=True, eq=False)
class Context(Defaulted):
    """A value of the context of the run."""

    NAME: ClassVar[str] = "!Context"


@dataclass(frozen=True, slots=True, eq=False)
class Env(Defaulted):
    """An environment variable of the process that applies; empty counts as unset."""

    NAME: ClassVar[str] = "!Env"


@dataclass(frozen=True, slots=True, eq=False)
class File(Defaulted):
    """The text of a file on the machine that applies, stripped."""

    NAME: ClassVar[str] = "!File"


@dataclass(frozen=True, slots=True, eq=False)
class Format(Tag):
    """A %-formatted text."""

    NAME: ClassVar[str] = "!Format"
    pattern: Node
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class If(Tag):
    """One of two branches, the other is never resolved; without branches true or false."""

    NAME: ClassVar[str] = "!If"
    condition: Node
    branches: tuple[Node, Node] | None


@dataclass(frozen=True, slots=True, eq=False)
class Condition(Tag):
    """Truth values combined."""

    NAME: ClassVar[str] = "!Condition"
    mode: str  # AND NAND OR NOR XOR XNOR
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Enumerate(Tag):
    """The body once for each item."""

    NAME: ClassVar[str] = "!Enumerate"
    iterable: Node
    output: str  # SEQ or MAP
    body: Node


@dataclass(frozen=True, slots=True, eq=False)
class Index(Tag):
    """Index or key of the current item; depth 0 is the innermost !Enumerate."""

    NAME: ClassVar[str] = "!Index"
    depth: int


@dataclass(frozen=True, slots=True, eq=False)
class Value(Tag):
    """The current item itself."""

    NAME: ClassVar[str] = "!Value"
    depth: int


@dataclass(frozen=True, slots=True, eq=False)
class AtIndex(Tag):
    """An item of a list or mapping."""

    NAME: ClassVar[str] = "!AtIndex"
    container: Node
    key: Node
    default: Node | None


@dataclass(frozen=True, slots=True, eq=False)
class ParseJSON(Tag):
    """A JSON text as data. Parsed when loaded, so a mistake has its place."""

    NAME: ClassVar[str] = "!ParseJSON"
    value: object


def children(node: Node) -> Iterator[Node]:
    """Yield the nodes directly inside a node."""
    if isinstance(node, Table):
        yield from node.pairs.values()
        return
    for field in fields(node):
        yield from _nodes_in(getattr(node, field.name))


def _nodes_in(value: object) -> Iterator[Node]:
    if isinstance(value, Node):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _nodes_in(item)


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and everything inside it, each once."""
    visited: set[int] = set()
    pending = [node]
    while pending:
        current = pending.pop()
        if id(current) not in visited:
            visited.add(id(current))
            yield current
            pending.extend(reversed(list(children(current))))


def from_plain(value: object, position: TextPosition) -> Node:
    """Return the node for plain data that was not written in a file, such as an instance's own context."""
    if isinstance(value, Mapping):
        pairs: dict[object, Node] = {key: from_plain(item, position) for key, item in value.items()}
        return Table(position, pairs, dict.fromkeys(pairs, position))
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return Items(position, tuple(from_plain(item, position) for item in value))
    return Plain(position, value)


def merged(below: Node, above: Node) -> Node:
    """Return two context values as one: mappings deeply, lists appended, else the one above wins."""
    if isinstance(below, Table) and isinstance(above, Table):
        pairs = dict(below.pairs)
        for key, item in above.pairs.items():
            pairs[key] = merged(pairs[key], item) if key in pairs else item
        return Table(above.position, pairs, {**below.places, **above.places})
    if isinstance(below, Items) and isinstance(above, Items):
        return Items(above.position, below.items + above.items)
    return above


def spelled(node: Node) -> str:  # noqa: C901, PLR0911 - one line for each kind of node
    """Return a short spelling for messages: values as written, tags by name, nothing resolved."""
    match node:
        case Plain(value=str(text)):
            return f'"{text}"' if len(text) <= 80 else f'"{text[:77]}..."'  # noqa: PLR2004
        case Plain(value=None):
            return "null"
        case Plain(value=bool(truth)):
            return str(truth).lower()
        case Plain(value=value):
            return str(value)
        case KeyOf(id=name):
            return f"!KeyOf {name}"
        case Defaulted(key=Plain(value=name)):
            return f"{node.NAME} {name}"
        case Index(depth=depth) | Value(depth=depth):
            return f"{node.NAME} {depth}"
        case Find(model=model, lookups=lookups):
            inside = ", ".join(f"[{_bare(name)}, {_bare(value)}]" for name, value in lookups)
            return f"{node.NAME} [{_bare(model)}, {inside}]"
        case Tag():
            return f"{node.NAME} [...]"
        case Table():
            return "{...}"
        case _:
            return "[...]"


def _bare(node: Node) -> str:
    return spelled(node).strip('"') if isinstance(node, Plain) else spelled(node)
