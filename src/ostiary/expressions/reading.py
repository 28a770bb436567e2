"""The text of an expression as statements: what stands in the body of its function."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Sequence
from typing import Final

from ostiary.expressions.hashing import LIMIT

_UNREADABLE: Final = (SyntaxError, ValueError, RecursionError, MemoryError)


def body_of(source: str) -> Sequence[ast.stmt]:
    """Return the statements of an expression, () for a text that is none or is empty.

    Common indentation does not count, and a comment before the first line may stand further left.
    """
    if len(source) > LIMIT:
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
    """Return what is returned by statements that are one `return` with a value, None for any others."""
    match source:
        case [ast.Return(value=value)]:
            return value
    return None


def syntax_error(source: str) -> str | None:
    """Return why a text cannot be the body of a Python function, None when it can. An empty one can."""
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
