"""The expressions that policies understand: stock ones, and simple ones that people write. Nothing is executed.

Recognised: `return True`, `return False`, and `return ak_is_group_member(request.user, name="...")`.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Sequence
from typing import Final

from ostiary.expressions import Meaning, Vocabulary, meaning_of, returned
from ostiary.policies.native import NativePolicy, native_policies
from ostiary.policies.verdict import Question, Verdict


def recognise(statements: Sequence[ast.stmt]) -> NativePolicy | None:
    """Return the policy that simple statements amount to, or None when they are not one of the known forms."""
    value = returned(statements)
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


def _is_member(question: Question, group: str) -> bool:
    """Return whether the person belongs to a group of exactly that name, itself or through its descendants."""
    return question.subject is not None and group in question.subject.all_group_names


VOCABULARY: Final = Vocabulary(shape=recognise, by_hash=native_policies)


@functools.lru_cache(maxsize=512)
def policy_of(source: str) -> Meaning[NativePolicy] | None:
    """Return what an expression amounts to, None when it cannot be evaluated here."""
    return meaning_of(source, VOCABULARY)
