"""The hash of an expression's syntax tree, the same on every version of Python.

`ast.dump` differs between versions, because nodes get new fields (`type_params` in 3.12, for example). This hash omits
empty fields, and fields without meaning: positions, contexts, type comments, string prefixes.
"""

from __future__ import annotations

import ast
import hashlib
import textwrap
from collections.abc import Iterator
from typing import Final

MAX_LENGTH: Final = 1_000_000  # characters; administrators' expressions are a few lines
_SILENT: Final = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


class NotPython(ValueError):
    """The text cannot be parsed as the body of a Python function."""


def expression_hash(source: str) -> str:
    """Return 64 hex digits that depend only on the syntax tree of `source`.

    `source` is the body of a function, so `return` and `yield` are allowed at its top level. Comments, white space,
    common indentation and docstrings do not count. Raises NotPython.
    """
    if len(source) > MAX_LENGTH:
        raise NotPython("the expression is too long")
    try:
        tree = ast.parse(textwrap.dedent(source))
        digest = hashlib.sha256()
        for token in _walk(tree):
            digest.update(token.encode("utf-8", "surrogatepass") + b"\0")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NotPython(f"not the body of a Python function: {error}") from error
    return digest.hexdigest()


def _walk(node: object) -> Iterator[str]:
    if isinstance(node, ast.AST):
        yield f"({type(node).__name__}"
        for name in sorted(node._fields):
            value = getattr(node, name, None)
            if name == "body" and isinstance(value, list) and isinstance(node, _DOCUMENTED):
                value = _without_docstring(value)
            if name == "values" and isinstance(node, ast.JoinedStr) and isinstance(value, list):
                value = _texts_joined(value)
            if name not in _SILENT and value is not None and value != []:
                yield f".{name}"
                yield from _walk(value)
            elif name == "value" and isinstance(node, ast.Constant):
                yield ".value None"
        yield ")"
    elif isinstance(node, list):
        yield "["
        for item in node:
            yield from _walk(item)
        yield "]"
    else:
        yield _scalar(node)


_DOCUMENTED: Final = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return body[1:]
    return body


def _texts_joined(parts: list[ast.expr]) -> list[ast.expr]:
    """Join adjacent texts of an f-string and drop empty ones: versions split them differently (3.12.1, for example)."""
    joined: list[ast.expr] = []
    for part in parts:
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            last = joined[-1] if joined else None
            if isinstance(last, ast.Constant) and isinstance(last.value, str):
                joined[-1] = ast.Constant(last.value + part.value)
            elif part.value:
                joined.append(part)
        else:
            joined.append(part)
    return joined


def _scalar(value: object) -> str:
    # hex: the decimal spelling of long integers is limited by the interpreter's settings
    text = hex(value) if isinstance(value, int) and not isinstance(value, bool) else repr(value)
    if isinstance(value, str):
        text = value
    return f"{type(value).__name__}:{len(text)}:{text}"
