"""The native meaning of an expression, in the vocabulary of its room. Only this module decides it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Literal, TypeVar

from ostiary.expressions.hashing import MAX_LENGTH, NotPython, expression_hash
from ostiary.expressions.reading import body_of
from ostiary.record import dataclass

T = TypeVar("T")


def _no_hashes() -> Mapping[str, T]:
    return {}


@dataclass(frozen=True, slots=True)
class Vocabulary(Generic[T]):
    """The native expressions of one room: stock ones by their hash, simple ones by the shape of their syntax tree.

    `shape` returns None for unknown statements. It is not called for a text of more than `max_length` characters.
    """

    shape: Callable[[Sequence[ast.stmt]], T | None]
    by_hash: Callable[[], Mapping[str, T]] = _no_hashes
    max_length: int = MAX_LENGTH


@dataclass(frozen=True, slots=True)
class Meaning(Generic[T]):
    """The native value of an expression, found by its hash ("native") or by its shape ("recognised")."""

    how: Literal["native", "recognised"]
    value: T


def meaning_of(source: str, vocabulary: Vocabulary[T]) -> Meaning[T] | None:
    """Return the native meaning of an expression, None if it has none."""
    known = vocabulary.by_hash()
    if known and (native := known.get(_hash(source))) is not None:
        return Meaning("native", native)
    if len(source) > vocabulary.max_length:
        return None
    simple = vocabulary.shape(body_of(source))
    return Meaning("recognised", simple) if simple is not None else None


def can_evaluate(source: str, vocabulary: Vocabulary[T]) -> bool:
    """Return whether an expression has a native meaning."""
    return meaning_of(source, vocabulary) is not None


def _hash(source: str) -> str:
    try:
        return expression_hash(source)
    except NotPython:
        return ""
