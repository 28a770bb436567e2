"""The parser of expressions: a text to the statements of a function's body."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Sequence
from typing import Final

from ostiary.expressions.hashing import MAX_LENGTH

_UNREADABLE: Final = (SyntaxError, ValueError, RecursionError, MemoryError)


def body_of(source: str) -> Sequence[ast.stmt]:
    """Return the statements of an expression, () for an invalid or empty one.

    Common indentation does not count, and a comment before the first line may be indented less.
    """
    if len(source) > MAX_LENGTH:
        return ()
    try:
        return ast.parse(textwrap.dedent(source)).body
    except _UNREADABLE:
        pass
    try:
        return _function(source).body
    except _UNREADABLE:
        return ()


def returned(source: Sequence[ast.stmt]) -> ast.expr | None:
    """Return the value of statements that are a single `return`, None for all others."""
    match source:
        case [ast.Return(value=value)]:
            return value
    return None


def syntax_error(source: str) -> str | None:
    """Return the reason why a text cannot be the body of a Python function, None if it can. It may be empty."""
    try:
        _function(source)
    except _UNREADABLE as error:
        return str(error)
    return None


def _function(source: str) -> ast.FunctionDef:
    body = "".join(f"    {line}\n" for line in source.splitlines()) or "    pass\n"
    tree = ast.parse(f"def expression():\n{body}")
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef):
        raise SyntaxError("more than the body of a function")
    return tree.body[0]
