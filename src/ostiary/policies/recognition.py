"""Recognition of expressions that are evaluated natively: the stock ones, and simple ones by their syntax tree.

Simple ones are `return True`, `return False`, and `return ak_is_group_member(request.user, name="...")`.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Sequence
from typing import Final

from ostiary.expressions import Meaning, Vocabulary, meaning_of, returned
from ostiary.policies.native import NativePolicy, native_policies
from ostiary.policies.policy_request import PolicyRequest, PolicyResult


def recognise_policy(statements: Sequence[ast.stmt]) -> NativePolicy | None:
    """Return the native policy for simple statements, None for all others."""
    value = returned(statements)
    match value:
        case ast.Constant(value=bool() as constant):
            return lambda _: PolicyResult(constant)
        case ast.Call(
            func=ast.Name(id="ak_is_group_member"),
            args=[ast.Attribute(value=ast.Name(id="request"), attr="user")],
            keywords=[ast.keyword(arg="name", value=ast.Constant(value=str() as group))],
        ):
            return lambda policy_request: PolicyResult(_is_member(policy_request, group))
    return None


def _is_member(policy_request: PolicyRequest, group: str) -> bool:
    """Return whether the user is a member of the group with that name, directly or through a child group."""
    return policy_request.subject is not None and group in policy_request.subject.all_group_names


VOCABULARY: Final = Vocabulary(shape=recognise_policy, by_hash=native_policies)


@functools.lru_cache(maxsize=512)
def known_policy(source: str) -> Meaning[NativePolicy] | None:
    """Return the native policy of an expression, None if it needs the sandbox."""
    return meaning_of(source, VOCABULARY)
