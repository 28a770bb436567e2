"""From places in the program to places in the administrator's text."""

from __future__ import annotations

import ast

from ostiary.record import dataclass


@dataclass(frozen=True, slots=True)
class SourceMap:
    """The nodes of a program's function: from where to where each stands, and where it came from.

    `first` is the line of the function in the program. Lines count from 1, columns from 0.
    """

    first: int
    nodes: tuple[tuple[int, int, int, int, int, int], ...]

    def line(self, line: int, column: int | None = None) -> int | None:
        """Return the line of the text for a place in the program, None for one outside of the expression."""
        own = line - self.first
        covering = [one for one in self.nodes if _covers(one, own, column)]
        if not covering:
            return None
        return min(covering, key=lambda one: (one[2] - one[0], one[3] - one[1] if one[2] == one[0] else 0))[4]


def _covers(node: tuple[int, int, int, int, int, int], line: int, column: int | None) -> bool:
    begin, begin_column, end, end_column, _, _ = node
    if not begin <= line <= end:
        return False
    if column is None:
        return True
    return (line > begin or column >= begin_column) and (line < end or column < end_column)


def source_map_of(module: ast.Module, *, above: int) -> SourceMap:
    """Return the places of a module with one function, which stands behind `above` lines of others."""
    text = ast.unparse(module)
    nodes = []
    for made, origin in zip(ast.walk(ast.parse(text)), ast.walk(module), strict=False):
        if type(made) is not type(origin):
            break  # Python has written something in another way: what comes later is told less exactly
        if isinstance(made, ast.stmt | ast.expr) and isinstance(origin, ast.stmt | ast.expr):
            end, end_column = made.end_lineno or made.lineno, made.end_col_offset or made.col_offset
            nodes.append((made.lineno, made.col_offset, end, end_column, origin.lineno, origin.col_offset))
    return SourceMap(above, tuple(nodes[1:]))
