"""What an expression says it returns, as far as its text tells."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ostiary.sandbox.language.fault import UnreadableExpression
from ostiary.sandbox.language.text import read_body


def returned_keys(source: str) -> tuple[str, ...]:
    """Return the constant keys of every dictionary that stands in the text outside of another one, in order."""
    try:
        body = read_body(source)
    except UnreadableExpression:
        return ()
    return tuple(dict.fromkeys(name for statement in body for name in _keys(statement)))


def _keys(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Dict):
        yield from (key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))
        return
    if isinstance(node, ast.Assign):
        yield from (key for target in node.targets for key in _assigned(target))
    for part in ast.iter_child_nodes(node):
        yield from _keys(part)


def _assigned(target: ast.expr) -> Iterator[str]:
    match target:
        case ast.Subscript(value=ast.Name(), slice=ast.Constant(value=str() as key)):
            yield key
