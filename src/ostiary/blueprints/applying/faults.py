"""Translates errors of the workspace into faults with the position in the file, and hints for missing values."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from ostiary.blueprints.errors import Fault
from ostiary.blueprints.hiding import masked_text
from ostiary.blueprints.text.document import Entry
from ostiary.blueprints.text.nodes import Items, Node, Table, Tag, walk
from ostiary.resource import InvalidResource, Problem

_ITEM: Final = re.compile(r"item (\d+):")


def field_node(entry: Entry, name: str) -> Node | None:
    """Return the node of a field's value; identifiers take precedence over attrs, as they do for the value."""
    for part in (entry.identifiers, entry.attrs):
        if isinstance(part, Table) and name in part.pairs:
            return part.pairs[name]
    return None


def from_resource(error: InvalidResource, entry: Entry, misses: Mapping[Node, str]) -> list[Fault]:
    """Return one fault for each problem of values that make no valid object."""
    faults = [_fault(problem, entry, error.kind, misses) for problem in error.problems]
    return sorted(faults, key=lambda fault: (fault.position.line, fault.position.column))


def _fault(problem: Problem, entry: Entry, model: str, misses: Mapping[Node, str]) -> Fault:
    node = field_node(entry, problem.field)
    number = _ITEM.match(problem.message)
    if number and isinstance(node, Items) and int(number[1]) < len(node.items):
        node = node.items[int(number[1])]
    if node is None and isinstance(entry.attrs, Tag):  # the values as a whole come from a tag
        node = entry.attrs
    nodes = [node] if node is not None else [] if problem.field else _parts(entry)
    place = entry.position if node is None else node.position
    return Fault(place, problem.message, entry.describe(model), problem.field, hints(nodes, misses))


def _parts(entry: Entry) -> list[Node]:
    return [part for part in (entry.identifiers, entry.attrs) if part is not None]


def masked(faults: Sequence[Fault], revealed: Collection[str]) -> list[Fault]:
    """Return the faults without texts of the environment or of files."""
    return [
        replace(fault, message=masked_text(fault.message, revealed), entry=masked_text(fault.entry, revealed))
        for fault in faults
    ]


def hints(nodes: list[Node], misses: Mapping[Node, str]) -> tuple[str, ...]:
    """Return the failed look-ups of the tags inside some nodes, each once."""
    failed = [misses[inner] for node in nodes for inner in walk(node) if inner in misses]
    return tuple(dict.fromkeys(failed))
