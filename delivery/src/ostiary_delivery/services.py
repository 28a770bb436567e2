"""`service-versions.yaml`: the services and their reviewed versions. Line numbers are kept for messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from ostiary_delivery.errors import BadDefinition

FILE: Final = "service-versions.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One entry; `lines` are the lines (from 1) of its keys, `line` is its first."""

    name: str
    version: str | None
    parent: str | None
    reviewed: str | None  # a date as written; None before the first review
    line: int
    lines: Mapping[str, int]

    def at(self, key: str) -> int:
        """Return the line of a key, or of the entry."""
        return self.lines.get(key, self.line)


def read(path: Path) -> list[Service]:
    """Read the file; without it there are no services.

    Raises:
        BadDefinition: it is not YAML, or not a list of services with names.
    """
    if not path.is_file():
        return []
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise BadDefinition(f"{path}: {error}") from error
    listed = _value(root, "services")
    if not isinstance(listed, yaml.SequenceNode):
        raise BadDefinition(f"{path}: it has no list `services`")
    return [_service(node, path) for node in listed.value]


def validate_parents(services: Sequence[Service], path: Path) -> tuple[list[str], list[str]]:
    """Return problems and hints about parents of services, each with file and line."""
    names = {one.name for one in services}
    problems, hints = [], []
    for one in services:
        if one.parent is None:
            parent = parent_by_name(one.name, names)
            if parent:
                hints.append(f"{path}:{one.line}: {one.name} looks attached to {parent}: `services backfill` says so")
        elif one.parent not in names:
            problems.append(f"{path}:{one.at('parent')}: the parent {one.parent} of {one.name} is not in this file")
        elif not one.name.startswith(f"{one.parent}-"):
            problems.append(
                f"{path}:{one.at('name')}: {one.name} has the parent {one.parent}: call it {one.parent}-..."
            )
    return problems, hints


def parent_by_name(name: str, names: set[str]) -> str | None:
    """Return the longest other name that is a prefix of this one, before a dash."""
    return max((one for one in names if name.startswith(f"{one}-")), key=len, default=None)


def backfill(path: Path) -> tuple[str, list[str]]:
    """Add a `parent` to each entry whose name implies one; return the new text and the names of changed entries.

    The rest of the file stays unchanged, comments too.
    """
    services = read(path)
    names = {one.name for one in services}
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    changed = []
    for one in sorted(services, key=lambda one: -one.line):
        parent = parent_by_name(one.name, names) if one.parent is None else None
        if parent:
            at = one.at("name")
            named_line = lines[at - 1]
            indent = " " * (len(named_line) - len(named_line.lstrip(" -")))
            lines.insert(at, f"{indent}parent: {parent}\n")
            changed.append(one.name)
    return "".join(lines), changed[::-1]


def _service(node: yaml.Node, path: Path) -> Service:
    if not isinstance(node, yaml.MappingNode):
        raise BadDefinition(f"{path}:{node.start_mark.line + 1}: a service is a table")
    values: dict[str, Any] = {key.value: value for key, value in node.value}
    name = _text(values.get("name"))
    if not name:
        raise BadDefinition(f"{path}:{node.start_mark.line + 1}: a service has no name")
    return Service(
        name=name,
        version=_text(values.get("current-version")),
        parent=_text(values.get("parent")),
        reviewed=_text(values.get("last-reviewed")),
        line=node.start_mark.line + 1,
        lines={key.value: key.start_mark.line + 1 for key, _ in node.value},
    )


def _text(node: yaml.Node | None) -> str | None:
    """Return a scalar as written; null is None."""
    if not isinstance(node, yaml.ScalarNode) or node.tag.endswith(":null"):
        return None
    return str(node.value)


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)
