"""The text of an expression as the tree of a function's body, with the lines of the text."""

from __future__ import annotations

import ast
from typing import Final

from ostiary.sandbox.language.fault import LanguageFault, UnreadableExpression

MAX_LENGTH: Final = 100_000  # characters
_PLACED: Final = (ast.stmt, ast.expr, ast.arg, ast.keyword, ast.alias, ast.excepthandler, ast.pattern)
_UNREADABLE: Final = (SyntaxError, ValueError, RecursionError, MemoryError)


def read_body(source: str) -> list[ast.stmt]:
    """Return the statements of an expression: `return` may stand at their top. Raises UnreadableExpression.

    All of it may be indented, and a comment may stand further left. Texts of several lines stay as they are written.
    """
    if len(source) > MAX_LENGTH:
        raise UnreadableExpression(
            LanguageFault(1, 1, f"the expression is longer than {MAX_LENGTH} characters", fatal=True)
        )
    above = 1 if _is_indented(source) else 0
    try:
        body = ast.parse(f"if True:\n{source}\n").body if above else ast.parse(source).body
        if above:
            body = _inside(body)
        _require_function(body)
    except _UNREADABLE as error:
        raise UnreadableExpression(_fault(error, above)) from None
    for node in [inner for statement in body for inner in ast.walk(statement)] if above else ():
        if isinstance(node, _PLACED):
            node.lineno -= above
    return body


def _is_indented(source: str) -> bool:
    lines = (line for line in source.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    return next(lines, "").startswith((" ", "\t"))


def _inside(body: list[ast.stmt]) -> list[ast.stmt]:
    if len(body) != 1 or not isinstance(body[0], ast.If) or body[0].orelse:
        raise SyntaxError("the lines are not indented alike")
    return body[0].body


def _require_function(body: list[ast.stmt]) -> None:
    """Have Python look at what only a compiler sees: `break` outside of a loop, for example."""
    empty = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    whole = ast.FunctionDef("expression", empty, body or [ast.Pass()], [])
    module = ast.Module(
        [ast.fix_missing_locations(ast.copy_location(whole, body[0] if body else ast.Pass(lineno=1, col_offset=0)))], []
    )
    compile(ast.fix_missing_locations(module), "<expression>", "exec", dont_inherit=True)


def _fault(error: Exception, above: int) -> LanguageFault:
    if isinstance(error, SyntaxError):
        line, column = max((error.lineno or 1) - above, 1), max(error.offset or 1, 1)
        return LanguageFault(line, column, f"is not valid Python: {error.msg}", fatal=True)
    return LanguageFault(1, 1, f"is not valid Python: {str(error) or type(error).__name__}", fatal=True)
