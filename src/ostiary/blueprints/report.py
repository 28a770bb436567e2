"""What happened to each blueprint, as data, and as plain text for terminals. Holds labels, never values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from ostiary.blueprints.apply import Applied
from ostiary.blueprints.errors import BlueprintError
from ostiary.record import dataclass


@dataclass(frozen=True, slots=True)
class FileResult:
    """One blueprint: what it did, or why nothing of it was applied."""

    path: str
    name: str
    applied: Applied = field(default_factory=Applied)
    error: BlueprintError | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """All blueprints of a run, in the order of their paths. `preview` means nothing was written."""

    files: tuple[FileResult, ...] = ()
    notices: tuple[str, ...] = ()
    preview: bool = False

    @property
    def ok(self) -> bool:
        """Tell whether no blueprint failed."""
        return all(item.error is None for item in self.files)

    @property
    def changed(self) -> bool:
        """Tell whether anything was changed."""
        return any(item.applied.changed for item in self.files)


def render(report: Report) -> str:
    """Return the report as text: a line for each blueprint and change, then notices, then errors with their places."""
    return "\n".join(_printable(line) for line in _lines(report))


def _printable(line: str) -> str:
    """Keep names from steering the terminal."""
    return "".join(char if char.isprintable() else "\ufffd" for char in line)


def _lines(report: Report) -> Iterator[str]:
    for item in report.files:
        yield from _file_lines(item, preview=report.preview)
    notices = [*report.notices, *(notice for item in report.files for notice in item.applied.notices)]
    yield from (f"notice: {notice}" for notice in notices)
    faults = [str(fault) for item in report.files if item.error is not None for fault in item.error.faults]
    yield from (f"error: {fault}" for fault in faults)
    failed = sum(item.error is not None for item in report.files)
    if failed:
        yield f"{failed} of {len(report.files)} blueprints failed; nothing of them was applied"
    elif not report.files:
        yield "no blueprints found"
    elif not report.changed:
        yield "no changes"


def _file_lines(item: FileResult, *, preview: bool) -> Iterator[str]:
    if item.error is not None:
        yield f"{item.path}: failed"
        return
    applied = item.applied
    counts = [
        f"{len(labels)} {word}"
        for word, labels in (
            ("created", applied.created),
            ("updated", applied.updated),
            ("deleted", applied.deleted),
            ("unchanged", applied.unchanged),
        )
        if labels
    ]
    said = ", ".join(counts) if applied.changed else "no changes"
    yield f"{item.path}: {'would be ' if preview and applied.changed else ''}{said}"
    for sign, labels in (("+", applied.created), ("~", applied.updated), ("-", applied.deleted)):
        yield from (f"  {sign} {label}" for label in labels)
