"""Paragraphs of `Key: value` lines (deb822), and the relations between packages written in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ostiary_delivery.debian.version import satisfies

Paragraph = dict[str, str]
_RELATION: Final = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]*)(?::\w+)?\s*(?:\(\s*(?P<relation><<|<=|=|>=|>>)\s*(?P<version>[^)\s]+)\s*\))?"
)


@dataclass(frozen=True, slots=True)
class Alternative:
    """One package that satisfies a relation, with an optional version bound."""

    name: str
    relation: str = ""
    version: str = ""

    def accepts(self, version: str) -> bool:
        """Return whether a version of the package is within the bound."""
        return not self.relation or satisfies(version, self.relation, self.version)

    def __str__(self) -> str:
        return f"{self.name} ({self.relation} {self.version})" if self.relation else self.name


def paragraphs(text: str) -> Iterator[Paragraph]:
    """Yield the paragraphs of a file; continued lines keep their line breaks."""
    for block in text.split("\n\n"):
        fields: Paragraph = {}
        key = ""
        for line in block.splitlines():
            if line[:1] in {" ", "\t"}:
                fields[key] += "\n" + line[1:]
            elif ":" in line:
                key, _, value = line.partition(":")
                fields[key] = value.strip()
        if fields:
            yield fields


def relations(text: str) -> list[tuple[Alternative, ...]]:
    """Parse a field such as Depends: a list of choices, each a tuple of alternatives (Debian Policy 7.1)."""
    choices = []
    for item in text.split(","):
        matches = [_RELATION.match(one.strip()) for one in item.split("|")]
        choice = tuple(Alternative(one["name"], one["relation"] or "", one["version"] or "") for one in matches if one)
        if choice:
            choices.append(choice)
    return choices
