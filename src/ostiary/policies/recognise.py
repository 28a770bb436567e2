"""Simple expressions that people write, read from their syntax tree. Nothing is executed.

Recognised: `return True`, `return False`, and `return ak_is_group_member(request.user, name="...")`.
"""

from __future__ import annotations

import ast
import functools

from ostiary.policies.native import NativePolicy
from ostiary.policies.verdict import Question, Verdict


@functools.lru_cache(maxsize=512)
def recognise(source: str) -> NativePolicy | None:
    """Return the policy a simple expression amounts to, or None when it is not one of the known forms."""
    value = _returned(source)
    match value:
        case ast.Constant(value=bool() as constant):
            return lambda _: Verdict(constant)
        case ast.Call(
            func=ast.Name(id="ak_is_group_member"),
            args=[ast.Attribute(value=ast.Name(id="request"), attr="user")],
            keywords=[ast.keyword(arg="name", value=ast.Constant(value=str() as group))],
        ):
            return lambda question: Verdict(_is_member(question, group))
    return None


def _returned(source: str) -> ast.expr | None:
    body = "".join(f"    {line}\n" for line in source.splitlines())
    try:
        tree = ast.parse(f"def expression():\n{body}")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    match tree.body:
        case [ast.FunctionDef(body=[ast.Return(value=value)])]:
            return value
    return None


def _is_member(question: Question, group: str) -> bool:
    """Tell whether the person belongs to a group of exactly that name, itself or through its descendants."""
    return question.subject is not None and group in question.subject.all_group_names
