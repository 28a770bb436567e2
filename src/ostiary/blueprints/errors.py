"""The errors of blueprints. Every fault names the position, entry and field, and what was expected.

BlueprintError
├── Unreadable      the text is no blueprint: YAML, tags, keys, version
├── Refused         an entry cannot be applied
├── Postponed       a look-up found nothing: another blueprint of the run may still make the object
└── WaitsFor        an entry wants another blueprint applied first (handled by `passes`, never shown)
"""

from __future__ import annotations

from collections.abc import Sequence

from ostiary.blueprints.text.source import TextPosition
from ostiary.record import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One problem. It never holds a value of the environment or of a file."""

    position: TextPosition
    message: str
    entry: str = ""  # 'entry 3 "grafana-app" (authentik_core.application)'
    field: str = ""
    hints: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [part for part in (self.entry, self.field, self.message) if part]
        return "; ".join([f"{self.position}: " + ": ".join(parts), *self.hints])


class BlueprintError(Exception):
    """The root of this room's errors: all faults found, at least one."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class Unreadable(BlueprintError):
    """The text cannot be read as a blueprint."""

    @classmethod
    def at(cls, position: TextPosition, message: str) -> Unreadable:
        """Return the error for one fault."""
        return cls([Fault(position, message)])


class EntryRefused(BlueprintError):
    """An entry cannot be applied; nothing of its file was."""


class Postponed(BlueprintError):
    """Everything could be applied, but with holes that another blueprint may fill (handled by `passes`)."""


class WaitsFor(BlueprintError):
    """The blueprint named by `path` must be applied before this one."""

    def __init__(self, path: str, fault: Fault) -> None:
        super().__init__([fault])
        self.path = path
