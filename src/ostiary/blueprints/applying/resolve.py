"""The resolver of tags. It runs when their entry is applied, so that !Find sees objects of earlier entries."""

from __future__ import annotations

import copy
import functools
import operator
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, Final, TypeVar

from ostiary.blueprints.applying.matches import Match, as_api_object, best_match, lookup_name
from ostiary.blueprints.errors import EntryRefused, Fault
from ostiary.blueprints.hiding import masked_text
from ostiary.blueprints.models import model_name, why_missing
from ostiary.blueprints.text.nodes import (
    AtIndex,
    Condition,
    Context,
    Defaulted,
    Enumerate,
    Env,
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
    Table,
    Value,
    spelled,
)
from ostiary.blueprints.text.source import TextPosition
from ostiary.record import dataclass
from ostiary.resource import InvalidResource, Registry

MAX_STEPS: Final = 200_000
"""Values made for one blueprint, so that no !Enumerate in an !Enumerate exhausts the machine."""
MAX_NESTING: Final = 100
MAX_TEXT: Final = 1_000_000
MAX_TEXTS: Final = 8_000_000
"""Characters that all !Format of one blueprint may make together."""
_WIDE: Final = re.compile(r"%(?:\([^)]*\))?[-+ #0]*(?:\*|\d{4,}|\d*\.(?:\*|\d{4,}))")
_UNSET: Final = object()
T = TypeVar("T", dict[Any, Any], list[Any])


MatchCall = Callable[[str, Sequence[tuple[str, object]]], Awaitable[Sequence[Match]]]


@dataclass(slots=True)
class _Iteration:
    """The current item of an !Enumerate."""

    index: object = _UNSET
    value: object = _UNSET


@dataclass(slots=True)
class Resolver:
    """Resolves the nodes of one blueprint in one run. `misses` collects tags that gave null, for hints."""

    registry: Registry
    match: MatchCall
    environ: Mapping[str, str]
    read_file: Callable[[str], str | None]
    context: Mapping[str, Node]
    applied: dict[str, Match] = field(default_factory=dict)  # by entry id, the first applied wins
    absent: dict[str, str] = field(default_factory=dict)  # entry ids that made nothing, and why
    misses: dict[Node, str] = field(default_factory=dict)
    revealed: set[str] = field(default_factory=set)  # texts from the environment and files, kept out of messages
    notices: dict[str, None] = field(default_factory=dict)  # notices with their places, each once
    failed_lookups: int = 0  # how often a look-up found nothing: another file may still make the object
    _iterations: list[_Iteration] = field(default_factory=list)
    _steps: int = 0
    _nesting: int = 0
    _formatted_characters: int = 0

    async def value(self, node: Node) -> object:
        """Return plain data for a node. Raises Refused."""
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise refused(node.position, f"makes more than {MAX_STEPS} values")
        if self._nesting >= MAX_NESTING:
            raise refused(node.position, "refers to itself, or is nested too deeply")
        self._nesting += 1
        self.misses.pop(node, None)  # in an !Enumerate only the current iteration counts
        try:
            return await self._resolve(node)
        finally:
            self._nesting -= 1

    def add_notice(self, position: TextPosition, text: str) -> None:
        """Add a notice, without values from the environment and files."""
        self.notices[f"{position}: {masked_text(text, self.revealed)}"] = None

    async def _resolve(self, node: Node) -> object:  # noqa: PLR0911, PLR0912, C901 - one line for each kind of node
        match node:
            case Plain() | ParseJSON():
                return node.value
            case Items():
                return [await self.value(item) for item in node.items]
            case Table():
                return {key: await self.value(item) for key, item in node.pairs.items()}
            case KeyOf():
                return self._key_of(node).pk
            case FindObject():
                found = await self._find(node)
                return None if found is None else as_api_object(found)
            case Find():
                found = await self._find(node)
                return None if found is None else found.pk
            case Context() | Defaulted():
                return await self._defaulted(node)
            case Format():
                return await self._format(node)
            case If():
                return await self._if(node)
            case Condition():
                truths = [bool(await self.value(item)) for item in node.arguments]
                return _combine(node.mode, truths)
            case Enumerate():
                return await self._enumerate(node)
            case Index() | Value():
                return self._iteration_value(node)
            case AtIndex():
                return await self._at_index(node)
        raise refused(node.position, "cannot be resolved")

    def _key_of(self, node: KeyOf) -> Match:
        found = self.applied.get(node.id)
        if found is None:
            why = self.absent.get(node.id, "it comes later")
            raise refused(
                node.position, f"!KeyOf {node.id}: expected the id of an entry applied before this one: {why}"
            )
        return found

    async def _find(self, node: Find) -> Match | None:
        raw_model = await self.value(node.model)
        model = model_name(raw_model)
        if not isinstance(raw_model, str) or not self.registry.family(model):
            raise refused(node.position, f"{node.NAME}: {why_missing(str(raw_model), (k.name for k in self.registry))}")
        if node.spare:
            self.add_notice(node.position, f"{spelled(node)}: what follows a pair [FIELD, VALUE] is ignored")
        lookups: list[tuple[str, object]] = []
        for name_node, value_node in node.lookups:
            name, value = await self.value(name_node), await self.value(value_node)
            if not isinstance(name, str):
                raise refused(name_node.position, f"{node.NAME}: expected the name of a field")
            if value is None and value_node in self.misses:
                self.misses[node] = f"{spelled(node)} found nothing: {self.misses[value_node]}"
                return None
            lookups.append((lookup_name(name), value))
        try:
            matches = await self.match(model, [pair for pair in lookups if pair[0] != "pk"] or lookups)
        except InvalidResource as error:
            problems = ", ".join(f"{problem.field} {problem.message}" for problem in error.problems)
            raise refused(node.position, f"{node.NAME}: {problems}") from None
        found, several = best_match(matches, lookups)
        if several:
            self.add_notice(node.position, f"{spelled(node)} {several}")
        if found is None:
            self.failed_lookups += 1
            self.misses[node] = f"{spelled(node)} found nothing"
        return found

    async def _defaulted(self, node: Defaulted) -> object:
        name = await self.value(node.key)
        if not isinstance(name, str):
            raise refused(node.position, f"{node.NAME}: expected a name")
        if isinstance(node, Context):
            if name in self.context:
                return await self._same_miss(node, self.context[name])
            missing = f"!Context {name} is not in the context"
        elif isinstance(node, Env):
            text = self.environ.get(name)
            if text:
                self.revealed.add(text)
                return text
            missing = f"the environment variable {name} is not set"
        else:
            content = self.read_file(name)
            if content is not None:
                self.revealed.add(content)
                return content
            missing = f"the file {name} cannot be read"
        value = None if node.default is None else await self.value(node.default)
        if value is None:
            self.misses[node] = missing
        return value

    async def _format(self, node: Format) -> str:
        pattern = await self.value(node.pattern)
        arguments = tuple([await self.value(item) for item in node.arguments])
        if not isinstance(pattern, str) or _WIDE.search(pattern):
            raise refused(node.position, "!Format: expected a text with %s and the like, and no width above 999")
        try:
            text = pattern % arguments
        except (TypeError, ValueError, KeyError, OverflowError):
            count = len(arguments)
            raise refused(node.position, f"!Format: the text does not fit its {count} argument(s)") from None
        for item in node.arguments:  # "None" in a text is no value
            if item in self.misses:
                self.misses[node] = self.misses[item]
        self._formatted_characters += len(text)
        if len(text) > MAX_TEXT or self._formatted_characters > MAX_TEXTS:
            most = MAX_TEXT if len(text) > MAX_TEXT else MAX_TEXTS
            raise refused(node.position, f"!Format: makes more than {most} characters")
        return text

    async def _if(self, node: If) -> object:
        truth = bool(await self.value(node.condition))
        if node.branches is None:
            return truth
        return await self._same_miss(node, node.branches[0 if truth else 1])

    async def _same_miss(self, node: Node, inner: Node) -> object:
        value = await self.value(inner)
        if inner in self.misses:
            self.misses[node] = self.misses[inner]
        return value

    async def _enumerate(self, node: Enumerate) -> object:
        iteration = _Iteration()
        self._iterations.append(iteration)
        try:
            items = await self._items(node)
            results = []
            for iteration.index, iteration.value in items:
                results.append((await self.value(node.body), node.body.position))
        finally:
            self._iterations.pop()
        if node.output == "SEQ":
            return [result for result, _ in results]
        return _merged([_pair(result, position) for result, position in results])

    async def _items(self, node: Enumerate) -> list[tuple[object, object]]:
        iterable = await self.value(node.iterable)
        if isinstance(iterable, Mapping):
            return list(iterable.items())
        if isinstance(iterable, Sequence) and not isinstance(iterable, bytes):  # a text is its characters, as there
            return list(enumerate(iterable))
        raise refused(node.iterable.position, "!Enumerate: expected a list, a mapping or a text")

    def _iteration_value(self, node: Index | Value) -> object:
        if node.depth >= len(self._iterations):
            raise refused(node.position, f"{node.NAME} {node.depth}: there is no !Enumerate that deep")
        iteration = self._iterations[-1 - node.depth]
        value = iteration.index if isinstance(node, Index) else iteration.value
        if value is _UNSET:
            raise refused(
                node.position, f"{node.NAME} {node.depth} is the !Enumerate itself here, expected a depth above"
            )
        return value

    async def _at_index(self, node: AtIndex) -> object:
        container, key = await self.value(node.container), await self.value(node.key)
        if isinstance(container, Mapping):
            if isinstance(key, str | int | float | bool | None) and key in container:
                return container[key]
        elif isinstance(container, Sequence) and not isinstance(container, str | bytes):
            if isinstance(key, int) and -len(container) <= key < len(container):
                return container[key]
        elif container is not None or node.default is None:
            hint = self.misses.get(node.container, "expected a list or a mapping")
            raise refused(node.position, f"!AtIndex: {hint}")
        if node.default is None:
            raise refused(node.position, f"!AtIndex: there is no item {spelled(node.key)}")
        return await self.value(node.default)


def refused(position: TextPosition, message: str) -> EntryRefused:
    """Return the error for one fault; the entry is filled in by `apply`."""
    return EntryRefused([Fault(position, message)])


def _combine(mode: str, truths: Sequence[bool]) -> bool:
    results = {
        "AND": all(truths),
        "OR": any(truths),
        "XOR": functools.reduce(operator.xor, truths),
    }
    plain = {"NAND": "AND", "NOR": "OR", "XNOR": "XOR"}.get(mode)
    return results[mode] if plain is None else not results[plain]


def _pair(result: object, position: TextPosition) -> Mapping[object, object]:
    if isinstance(result, Mapping):
        return result
    if isinstance(result, list) and len(result) == 2 and isinstance(result[0], str | int | float | bool | None):  # noqa: PLR2004
        return {result[0]: result[1]}
    raise refused(position, "!Enumerate: expected a pair [KEY, VALUE] or a mapping for MAP")


def _merged(parts: Sequence[Mapping[object, object]]) -> dict[object, object]:
    """Return the parts as authentik merges them: mappings deeply, lists appended, else the later wins.

    Only containers made here are changed, never the parts. So each item costs its own size and no more.
    """
    table: dict[object, object] = {}
    own: dict[int, object] = {}  # keeps them alive, so that `id` stays unique
    for part in parts:
        _merge(table, part, own)
    return table


def _merge(table: dict[object, object], more: Mapping[object, object], own: dict[int, object]) -> None:
    for key, value in more.items():
        present = table.get(key)
        if isinstance(present, dict) and isinstance(value, Mapping):
            _merge(_owned(table, key, present, own), value, own)
        elif isinstance(present, list) and isinstance(value, list):
            _owned(table, key, present, own).extend(value)
        else:
            table[key] = value


def _owned(table: dict[object, object], key: object, present: T, own: dict[int, object]) -> T:
    """Return a container of the table, copied on first use, so that the original stays as it is."""
    if id(present) not in own:
        present = copy.copy(present)
        table[key] = own[id(present)] = present
    return present
