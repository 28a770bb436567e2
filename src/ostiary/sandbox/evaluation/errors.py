"""The errors of evaluation.

ExpressionFailed
    ExpressionRefused   it cannot run in the sandbox at all
"""

from __future__ import annotations


class ExpressionFailed(Exception):
    """The expression failed. The message is only for administrators, as it may contain data of the expression.

    `seconds` is the duration of the run, None if nothing ran.
    """

    def __init__(self, message: str, *, line: int | None = None, seconds: float | None = None) -> None:
        super().__init__(message if line is None else f"line {line}: {message}")
        self.line = line
        self.seconds = seconds


class ExpressionRefused(ExpressionFailed):
    """The expression cannot run in the sandbox at all."""
