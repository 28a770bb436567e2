"""Source positions in blueprints: file, line and column, also inside Kubernetes wrappers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ostiary.record import dataclass


@dataclass(frozen=True, slots=True)
class TextPosition:
    """A place in a file; line and column count from 1. `inside` names an encoded part and the line in it."""

    file: str
    line: int
    column: int
    inside: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}"
        return f"{place} ({self.inside})" if self.inside else place


class TextOrigin(Protocol):
    """Translates a mark of the YAML parser (line and column from 0) into a position."""

    def at(self, line: int, column: int) -> TextPosition:  # pragma: no cover - a protocol
        """Return the position."""
        ...


@dataclass(frozen=True, slots=True)
class WholeFile:
    """The text is the file."""

    file: str

    def at(self, line: int, column: int) -> TextPosition:
        """Return the position."""
        return TextPosition(self.file, line + 1, column + 1)


@dataclass(frozen=True, slots=True)
class LiteralBlock:
    """The text is a literal block (`key: |`) of a file: line by line the same, only indented."""

    file: str
    first: int  # the file's line, from 0, of the first line of the text
    text: Sequence[str]
    lines: Sequence[str]  # all lines of the file

    def at(self, line: int, column: int) -> TextPosition:
        """Return the position in the file itself."""
        while line > 0 and (line >= len(self.text) or not self.text[line]):  # after the end: the end of what is there
            line -= 1
            column = len(self.text[line]) if line < len(self.text) else 0
        number = min(self.first + line, max(len(self.lines) - 1, 0))
        outer = self.lines[number] if self.lines else ""
        inner = self.text[line] if line < len(self.text) else ""
        indent = len(outer) - len(inner) if outer.endswith(inner) else 0
        return TextPosition(self.file, number + 1, column + 1 + indent)


@dataclass(frozen=True, slots=True)
class Encoded:
    """The text was quoted, folded or base64: only its key has a place in the file, lines are counted inside."""

    key: TextPosition
    name: str

    def at(self, line: int, column: int) -> TextPosition:  # noqa: ARG002 - columns mean nothing outside
        """Return the place of the key, with the line inside its text."""
        return TextPosition(self.key.file, self.key.line, self.key.column, f"line {line + 1} of {self.name}")
