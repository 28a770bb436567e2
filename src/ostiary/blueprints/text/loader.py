"""The YAML loader: text to nodes with positions. It refuses dangerous input (size, depth, alias bombs) and mistakes.

Events of the parser (libyaml where PyYAML has it) are put together here, without recursion, so no input can exhaust
the stack, and aliases cost nothing before their expanded size is known.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import field
from typing import Any, Final

from ostiary.blueprints.errors import Unreadable
from ostiary.blueprints.text.nodes import Items, Node, Plain, Table
from ostiary.blueprints.text.source import TextOrigin, TextPosition, WholeFile
from ostiary.blueprints.text.tags import TAGS, Argument
from ostiary.record import dataclass

MAX_BYTES: Final = 2 * 1024 * 1024
MAX_DEPTH: Final = 100
MAX_NODES: Final = 200_000
"""Of one document, aliases counted as often as they are used, and so what merge keys bring in."""
MAX_SCALAR: Final = 200
"""Characters of a number, a truth value or a time: base 60 costs their square, and nobody means longer ones."""

_PREFIX: Final = "tag:yaml.org,2002:"
_SCALAR_NAMES: Final = {
    "null": "null",
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
    "timestamp": "a time",
}
_SCALARS: Final = frozenset({*_SCALAR_NAMES, "binary", "str"})
_MAX_QUOTED: Final = 80  # characters of the file quoted in a message


@dataclass(slots=True)
class _OpenCollection:
    """A list or mapping whose end is not read yet."""

    event: Any
    nodes: list[Node] = field(default_factory=list)
    merges: set[int] = field(default_factory=set)  # positions in `nodes` that hold the key "<<"


def load(text: str, file: str) -> list[Node]:
    """Return the documents of a file; empty ones are left out. Raises Unreadable."""
    return load_from(text, WholeFile(file))


def decode_text(data: bytes, file: str) -> str:
    """Return the text of a file. Raises Unreadable when it is too large or not UTF-8."""
    if len(data) > MAX_BYTES:
        raise Unreadable.at(TextPosition(file, 1, 1), f"is larger than {MAX_BYTES} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable.at(TextPosition(file, line, 1), "is not UTF-8 text") from None


def load_from(text: str, origin: TextOrigin) -> list[Node]:
    """Return the documents of a text that comes from `origin`. Raises Unreadable."""
    import yaml  # noqa: PLC0415 - a tenth of a second that only blueprints need

    if len(text) > MAX_BYTES:
        raise Unreadable.at(origin.at(0, 0), f"is larger than {MAX_BYTES} characters")
    try:
        text.encode()
        return [node for node in _Builder(origin).documents(text) if not _is_empty(node)]
    except UnicodeEncodeError as error:
        raise Unreadable.at(origin.at(text.count("\n", 0, error.start), 0), "is not valid Unicode") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = origin.at(mark.line, mark.column) if mark else origin.at(0, 0)
        raise Unreadable.at(place, f"not valid YAML: {error.problem or error.context or 'unknown problem'}") from None
    except yaml.YAMLError as error:
        place = origin.at(text.count("\n", 0, getattr(error, "position", 0) or 0), 0)
        reason = getattr(error, "reason", "") or "unreadable character"
        raise Unreadable.at(place, f"not valid YAML: {reason}") from None


def _is_empty(node: Node) -> bool:
    return isinstance(node, Plain) and node.value is None


class _Builder:
    """Builds the nodes of one text from its events."""

    def __init__(self, origin: TextOrigin) -> None:
        self._origin = origin
        self._anchors: dict[str, Node | None] = {}  # None while the anchored node is still open
        self._sizes: dict[int, int] = {}
        self._merged = 0  # keys that merge keys brought in
        self._all_nodes: list[Node] = []  # keeps every node alive, so that `id` stays unique

    def documents(self, text: str) -> Iterator[Node]:
        import yaml  # noqa: PLC0415

        stack: list[_OpenCollection] = []
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        for event in yaml.parse(text, Loader=loader):
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors.clear()
                self._sizes.clear()
                self._all_nodes.clear()
                self._merged = 0
            node = self._node(stack, event)
            if node is None:
                continue
            if not stack:
                yield node
            else:
                stack[-1].nodes.append(node)

    def _node(self, stack: list[_OpenCollection], event: Any) -> Node | None:
        """Return the node an event completes."""
        import yaml  # noqa: PLC0415

        match event:
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._open(stack, event)
            case yaml.SequenceEndEvent():
                return self._list(stack.pop())
            case yaml.MappingEndEvent():
                return self._mapping(stack.pop())
            case yaml.AliasEvent():
                return self._alias(event)
            case yaml.ScalarEvent():
                if stack and isinstance(stack[-1].event, yaml.MappingStartEvent) and _is_merge(stack[-1], event):
                    stack[-1].merges.add(len(stack[-1].nodes))
                return self._scalar(event)
        return None

    def _open(self, stack: list[_OpenCollection], event: Any) -> None:
        if len(stack) >= MAX_DEPTH:
            raise Unreadable.at(self._place(event), f"is nested more than {MAX_DEPTH} deep")
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        stack.append(_OpenCollection(event))

    def _list(self, opened: _OpenCollection) -> Node:
        position, tag = self._place(opened.event), opened.event.tag
        items = tuple(opened.nodes)
        if tag in {None, "!", f"{_PREFIX}seq"}:
            return self._register(opened.event, Items(position, items), items)
        return self._register(opened.event, self._tagged(tag, Argument(position, items=items)), items)

    def _mapping(self, opened: _OpenCollection) -> Node:
        position, tag = self._place(opened.event), opened.event.tag
        pairs: dict[object, Node] = {}
        places: dict[object, TextPosition] = {}
        inherited: list[Table] = []
        for number in range(0, len(opened.nodes), 2):
            key, value = opened.nodes[number], opened.nodes[number + 1]
            if number in opened.merges:
                inherited.extend(_merge_sources(value))
                continue
            name = _key(key)
            if name in pairs:
                message = f"the key {_short(repr(name))} is already set in line {places[name].line}"
                raise Unreadable.at(key.position, message)
            pairs[name], places[name] = value, key.position
        for table in inherited:
            self._merged += len(table.pairs)
            if self._merged > MAX_NODES:
                raise Unreadable.at(position, f"merges more than {MAX_NODES} keys")
            for name, value in table.pairs.items():
                if name not in pairs:
                    pairs[name], places[name] = value, table.places[name]
        if tag not in {None, "!", f"{_PREFIX}map"}:
            self._tagged(tag, Argument(position))
        return self._register(opened.event, Table(position, pairs, places), tuple(pairs.values()))

    def _alias(self, event: Any) -> Node:
        if event.anchor not in self._anchors:
            raise Unreadable.at(self._place(event), f"the alias *{_short(event.anchor)} has no anchor before it")
        node = self._anchors[event.anchor]
        if node is None:
            raise Unreadable.at(self._place(event), f"the alias *{_short(event.anchor)} lies inside its own anchor")
        return node

    def _scalar(self, event: Any) -> Node:
        position = self._place(event)
        tag = event.tag
        if tag is None or tag == "!":
            tag = _resolved_tag(event)
        if not tag.startswith(_PREFIX):
            return self._register(event, self._tagged(tag, Argument(position, text=event.value)), ())
        return self._register(event, Plain(position, _scalar_value(tag, event.value, position)), ())

    def _tagged(self, tag: str, argument: Argument) -> Node:
        make = TAGS.get(tag)
        if make is None:
            quoted = _short(tag.replace(_PREFIX, "!!"))
            raise Unreadable.at(argument.position, f"unknown tag {quoted}, expected one of {', '.join(TAGS)}")
        return make(argument)

    def _register(self, event: Any, node: Node, inside: tuple[Node, ...]) -> Node:
        size = 1 + sum(self._sizes.get(id(item), 1) for item in inside)
        if size > MAX_NODES or len(self._all_nodes) > MAX_NODES:
            raise Unreadable.at(node.position, f"holds more than {MAX_NODES} values once its aliases are written out")
        self._sizes[id(node)] = size
        self._all_nodes.append(node)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _place(self, event: Any) -> TextPosition:
        return self._origin.at(event.start_mark.line, event.start_mark.column)


def _short(text: str) -> str:
    """Return the beginning of a text, for messages."""
    return text if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]}..."


def _is_merge(opened: _OpenCollection, event: Any) -> bool:
    return len(opened.nodes) % 2 == 0 and event.value == "<<" and event.tag is None and event.implicit[0]


def _merge_sources(value: Node) -> list[Table]:
    if isinstance(value, Table):
        return [value]
    if isinstance(value, Items) and all(isinstance(item, Table) for item in value.items):
        return [item for item in value.items if isinstance(item, Table)]
    raise Unreadable.at(value.position, "expected a mapping, or a list of mappings, to merge")


def _key(node: Node) -> object:
    if not isinstance(node, Plain):
        raise Unreadable.at(node.position, "a key must be a plain value, without tag")
    return node.value


@functools.cache
def _yaml_rules() -> tuple[Any, Any]:
    import yaml  # noqa: PLC0415
    from yaml.constructor import SafeConstructor  # noqa: PLC0415

    return yaml.resolver.Resolver(), SafeConstructor()


def _resolved_tag(event: Any) -> str:
    import yaml  # noqa: PLC0415

    if event.tag == "!":
        return f"{_PREFIX}str"
    resolver, _ = _yaml_rules()
    tag: str = resolver.resolve(yaml.ScalarNode, event.value, event.implicit)
    return f"{_PREFIX}str" if tag in {f"{_PREFIX}value", f"{_PREFIX}merge"} else tag


def _scalar_value(tag: str, text: str, position: TextPosition) -> object:
    """Return the value of a text in YAML 1.1, as PyYAML (and so authentik) reads it."""
    import yaml  # noqa: PLC0415

    name = tag.removeprefix(_PREFIX)
    if name not in _SCALARS:
        raise Unreadable.at(position, f"unknown tag !!{_short(name)}, expected one of {', '.join(TAGS)}")
    if name == "str":
        return text
    if name != "binary" and len(text) > MAX_SCALAR:
        message = f"reads as {_SCALAR_NAMES[name]} of more than {MAX_SCALAR} characters, quote it if it is a text"
        raise Unreadable.at(position, message)
    _, constructor = _yaml_rules()
    try:
        value: object = constructor.yaml_constructors[tag](constructor, yaml.ScalarNode(tag, text))
    except (ValueError, KeyError, IndexError, OverflowError, AttributeError, yaml.YAMLError):
        raise Unreadable.at(position, f"is not a valid {name}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise Unreadable.at(position, "expected a finite number")
    return value
