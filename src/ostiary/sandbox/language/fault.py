"""What is wrong with an expression, and where."""

from __future__ import annotations

import ast

from ostiary.record import dataclass


@dataclass(frozen=True, slots=True)
class LanguageFault:
    """One thing that is wrong. `line` and `column` are those of the administrator's text, counted from 1.

    `instead` says what to write; "" where there is nothing to say. A `fatal` fault is one with which nothing of the
    expression can run, or would mean something else than in Python; at any other the expression fails where it gets
    there, as it would in Python.
    """

    line: int
    column: int
    reason: str
    instead: str = ""
    fatal: bool = False

    def __str__(self) -> str:
        """Return one sentence."""
        place = f"line {self.line}, column {self.column}"
        return f"{place}: {self.reason}" + (f"; {self.instead}" if self.instead else "")


class UnreadableExpression(ValueError):
    """The text is no body of a Python function."""

    def __init__(self, fault: LanguageFault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def fault_at(node: ast.AST, reason: str, instead: str = "", *, fatal: bool = False) -> LanguageFault:
    """Return a fault at a node of the tree."""
    return LanguageFault(getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1, reason, instead, fatal)
