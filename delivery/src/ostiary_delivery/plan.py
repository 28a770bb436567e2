"""Which packages share a layer. A package of its own layer is pushed alone when it moves; tiny ones are pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ostiary_delivery.definition import Layers

Kind = Literal["deb", "wheel", "own", "files"]
ORDER: Final[tuple[Kind, ...]] = ("deb", "wheel", "files", "own")
"""From what changes rarely to what changes with every commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One package, the project's own wheel, or the generated files. `identity` changes when its bytes do."""

    kind: Kind
    name: str
    version: str
    identity: str
    size: int

    @property
    def title(self) -> str:
        """How people call it."""
        return f"{self.kind} {self.name} {self.version}".strip()


def layers(units: Sequence[Unit], *, rule: Layers) -> list[tuple[Unit, ...]]:
    """Return groups of units in the order of their layers: of each kind the pool of the small, then the others."""
    smallest = rule.smallest
    while True:
        groups = [group for kind in ORDER for group in _groups(units, kind, smallest)]
        if len(groups) <= rule.budget or smallest > max(unit.size for unit in units):
            return groups
        smallest *= 2


def title(group: Sequence[Unit]) -> str:
    """Return what a layer is called."""
    if len(group) == 1:
        return group[0].title
    return f"{group[0].kind}s " + ", ".join(f"{unit.name} {unit.version}".strip() for unit in group)


def _groups(units: Sequence[Unit], kind: Kind, smallest: int) -> list[tuple[Unit, ...]]:
    found = sorted((unit for unit in units if unit.kind == kind), key=lambda unit: unit.name)
    if kind not in {"deb", "wheel"}:
        return [(unit,) for unit in found]
    pool = tuple(unit for unit in found if unit.size < smallest)
    return [*([pool] if pool else []), *((unit,) for unit in found if unit.size >= smallest)]
