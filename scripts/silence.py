"""Finds silently swallowed errors: a handler of all exceptions must raise, log, or use the error.

A handler of specific exceptions is allowed: its author had them in mind.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

EVERY: Final = frozenset({"Exception", "BaseException"})
LOGGERS: Final = frozenset({"log", "_log", "_LOG", "_LOGGER", "logger"})


def silent(root: Path) -> set[str]:
    """Return the functions in a folder, as `path:function`, that silently handle all exceptions."""
    return {
        f"{path.relative_to(root)}:{function}"
        for path in sorted(root.rglob("*.py"))
        for function in of_module(ast.parse(path.read_text()))
    }


def of_module(tree: ast.Module) -> Iterator[str]:
    """Yield the names of such functions of a module."""
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    for function in functions:
        if any(isinstance(node, ast.ExceptHandler) and _is_silent(node) for node in ast.walk(function)):
            yield function.name


def _is_silent(handler: ast.ExceptHandler) -> bool:
    if handler.type is not None and not EVERY & {
        node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)
    }:
        return False
    return not any(_speaks(node, handler.name) for statement in handler.body for node in ast.walk(statement))


def _speaks(node: ast.AST, error: str | None) -> bool:
    """Return whether a node raises, logs, or uses the caught error."""
    if isinstance(node, ast.Raise):
        return True
    return isinstance(node, ast.Name) and (node.id in LOGGERS or (error is not None and node.id == error))
