"""The report of a run, as data and as plain text for terminals.

It shows no secrets, except newly generated ones on request.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from ostiary.blueprints.applying.apply import Applied
from ostiary.blueprints.errors import BlueprintError
from ostiary.record import dataclass


@dataclass(frozen=True, slots=True)
class FileResult:
    """The result of one blueprint: its changes, or its errors."""

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
        """Return whether no blueprint failed."""
        return all(item.error is None for item in self.files)

    @property
    def changed(self) -> bool:
        """Return whether anything was changed."""
        return any(item.applied.changed for item in self.files)


def render(report: Report, *, reveal: bool = False) -> str:
    """Return the report as text: a line for each blueprint, change and field, then notices, then errors with places.

    `reveal` shows the generated secrets, which are never shown again.
    """
    return "\n".join(_printable(line) for line in (*_lines(report), *_secret_lines(report, reveal=reveal)))


def _secret_lines(report: Report, *, reveal: bool) -> Iterator[str]:
    if report.preview:
        return
    for item in report.files:
        for one in item.applied.generated_secrets if item.error is None else ():
            if reveal:
                yield f"made: {one.label}: {one.field}: {one.secret.reveal()}"
            else:
                yield f"made: {one.label}: {one.field} (not shown; --show-made-secrets shows what an apply makes)"


def _failure_consequence(report: Report) -> str:
    """Return what a failure means for the other blueprints: a failed one changes nothing, and reverts nothing."""
    good = [item for item in report.files if item.error is None]
    if report.preview:
        return "; nothing of them would be applied"
    if not good:
        return "; nothing was applied"
    if not any(item.applied.changed for item in good):
        return ", and change nothing; the others have no changes"
    return ", and change nothing; what the others changed stays"


def _printable(line: str) -> str:
    """Replace control characters, so that no name can control the terminal."""
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
        yield f"{failed} of {len(report.files)} blueprints failed{_failure_consequence(report)}"
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
    summary = ", ".join(counts) if applied.changed else "no changes"
    yield f"{item.path}: {'would be ' if preview and applied.changed else ''}{summary}"
    for sign in ("+", "~", "-"):
        for one in applied.changes:
            if one.sign == sign:
                yield f"  {sign} {one.label}"
                yield from (f"      {line}" for line in one.fields)
