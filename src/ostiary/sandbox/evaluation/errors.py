"""What can go wrong with an expression.

ExpressionFailed
    ExpressionRefused   it cannot run in the sandbox at all
"""

from __future__ import annotations


class ExpressionFailed(Exception):
    """The expression gave no value. The message is for administrators: it may hold data that the expression had."""

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message if line is None else f"line {line}: {message}")
        self.line = line


class ExpressionRefused(ExpressionFailed):
    """The expression cannot run in the sandbox, whoever asks."""
