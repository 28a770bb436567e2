"""The distribution of components over layers. A large package has its own layer, so that its update pushes it alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ostiary_delivery.definition import Layers

Kind = Literal["deb", "wheel", "own", "files"]
ORDER: Final[tuple[Kind, ...]] = ("deb", "wheel", "files", "own")
"""From rare changes to changes with every commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One package, the project's own wheel, or the system files. `identity` changes with its bytes."""

    kind: Kind
    name: str
    version: str
    identity: str
    size: int

    @property
    def title(self) -> str:
        """Name for people."""
        return f"{self.kind} {self.name} {self.version}".strip()


def layers(components: Sequence[Component], *, rule: Layers) -> list[tuple[Component, ...]]:
    """Group components into layers, in order: for each kind the small ones together, then the others alone."""
    smallest = rule.smallest
    while True:
        groups = [group for kind in ORDER for group in _groups(components, kind, smallest)]
        if len(groups) <= rule.budget or smallest > max(component.size for component in components):
            return groups
        smallest *= 2


def title(group: Sequence[Component]) -> str:
    """Return the title of a layer."""
    if len(group) == 1:
        return group[0].title
    return f"{group[0].kind}s " + ", ".join(f"{component.name} {component.version}".strip() for component in group)


def _groups(components: Sequence[Component], kind: Kind, smallest: int) -> list[tuple[Component, ...]]:
    components_of_kind = sorted(
        (component for component in components if component.kind == kind), key=lambda component: component.name
    )
    if kind not in {"deb", "wheel"}:
        return [(component,) for component in components_of_kind]
    pool = tuple(component for component in components_of_kind if component.size < smallest)
    return [
        *([pool] if pool else []),
        *((component,) for component in components_of_kind if component.size >= smallest),
    ]
