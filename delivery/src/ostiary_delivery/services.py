"""`service-versions.yaml`: what runs where in which version, as people review it; read with the lines it stands on."""

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
    """One entry; `lines` has the line (from 1) of each of its keys, and `line` where it begins."""

    name: str
    version: str | None
    parent: str | None
    reviewed: str | None  # as it is written; a date, or nobody has looked yet
    line: int
    lines: Mapping[str, int]

    def at(self, key: str) -> int:
        """Return the line of a key, or that of the entry."""
        return self.lines.get(key, self.line)


def read(path: Path) -> list[Service]:
    """Read the file; an absent one has no services.

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


def attached(found: Sequence[Service], path: Path) -> tuple[list[str], list[str]]:
    """Return what is wrong and what is only a hint about services attached to others, each with file and line."""
    names = {one.name for one in found}
    wrong, hints = [], []
    for one in found:
        if one.parent is None:
            parent = parent_by_name(one.name, names)
            if parent:
                hints.append(f"{path}:{one.line}: {one.name} looks attached to {parent}: `services backfill` says so")
        elif one.parent not in names:
            wrong.append(f"{path}:{one.at('parent')}: the parent {one.parent} of {one.name} is not in this file")
        elif not one.name.startswith(f"{one.parent}-"):
            wrong.append(f"{path}:{one.at('name')}: {one.name} has the parent {one.parent}: call it {one.parent}-...")
    return wrong, hints


def parent_by_name(name: str, names: set[str]) -> str | None:
    """Return the longest other name that this one begins with, followed by a dash."""
    return max((one for one in names if name.startswith(f"{one}-")), key=len, default=None)


def backfill(path: Path) -> tuple[str, list[str]]:
    """Return the file's text with a `parent` for each entry whose name says it, and the names that got one.

    Everything else stays as it was, comments too.
    """
    found = read(path)
    names = {one.name for one in found}
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    changed = []
    for one in sorted(found, key=lambda one: -one.line):
        parent = parent_by_name(one.name, names) if one.parent is None else None
        if parent:
            at = one.at("name")
            before = lines[at - 1]
            indent = " " * (len(before) - len(before.lstrip(" -")))
            lines.insert(at, f"{indent}parent: {parent}\n")
            changed.append(one.name)
    return "".join(lines), changed[::-1]


def _service(node: yaml.Node, path: Path) -> Service:
    if not isinstance(node, yaml.MappingNode):
        raise BadDefinition(f"{path}:{node.start_mark.line + 1}: a service is a table")
    found: dict[str, Any] = {key.value: value for key, value in node.value}
    name = _text(found.get("name"))
    if not name:
        raise BadDefinition(f"{path}:{node.start_mark.line + 1}: a service has no name")
    return Service(
        name=name,
        version=_text(found.get("current-version")),
        parent=_text(found.get("parent")),
        reviewed=_text(found.get("last-reviewed")),
        line=node.start_mark.line + 1,
        lines={key.value: key.start_mark.line + 1 for key, _ in node.value},
    )


def _text(node: yaml.Node | None) -> str | None:
    """Return a scalar as it is written; null is None."""
    if not isinstance(node, yaml.ScalarNode) or node.tag.endswith(":null"):
        return None
    return str(node.value)


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)
