"""What an expression amounts to, in the vocabulary of the room that holds it. The one place that decides this."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Literal, TypeVar

from ostiary.expressions.hashing import LIMIT, NotPython, expression_hash
from ostiary.expressions.reading import body_of
from ostiary.record import dataclass

T = TypeVar("T")


def _no_hashes() -> Mapping[str, T]:
    return {}


@dataclass(frozen=True, slots=True)
class Vocabulary(Generic[T]):
    """The expressions of one room: stock ones by their hash, simple ones by the shape of their statements.

    `shape` answers None for statements that it does not know. A text of more than `longest` characters has no shape.
    """

    shape: Callable[[Sequence[ast.stmt]], T | None]
    by_hash: Callable[[], Mapping[str, T]] = _no_hashes
    longest: int = LIMIT


@dataclass(frozen=True, slots=True)
class Meaning(Generic[T]):
    """What the room does in place of an expression, and whether its hash ("native") or its shape told so."""

    how: Literal["native", "recognised"]
    value: T


def meaning_of(source: str, vocabulary: Vocabulary[T]) -> Meaning[T] | None:
    """Return what an expression amounts to natively, None for one that says something else."""
    known = vocabulary.by_hash()
    if known and (native := known.get(_hash(source))) is not None:
        return Meaning("native", native)
    if len(source) > vocabulary.longest:
        return None
    simple = vocabulary.shape(body_of(source))
    return Meaning("recognised", simple) if simple is not None else None


def can_evaluate(source: str, vocabulary: Vocabulary[T]) -> bool:
    """Say whether an expression can be evaluated here: so far, whether it has a native meaning."""
    return meaning_of(source, vocabulary) is not None


def _hash(source: str) -> str:
    try:
        return expression_hash(source)
    except NotPython:
        return ""
