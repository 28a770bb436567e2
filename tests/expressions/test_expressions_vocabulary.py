"""What an expression amounts to: by its hash, by its shape, or not at all."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import pytest

from ostiary.expressions import Meaning, Vocabulary, can_evaluate, expression_hash, meaning_of, syntax_error
from ostiary.expressions.hashing import MAX_LENGTH
from ostiary.expressions.reading import body_of, returned

STOCK = "found = user.name\nreturn found"


def shape(statements: Sequence[ast.stmt]) -> str | None:
    value = returned(statements)
    return str(value.value) if isinstance(value, ast.Constant) else None


WORDS = Vocabulary(shape=shape, by_hash=lambda: {expression_hash(STOCK): "stock"}, max_length=100)


@pytest.mark.parametrize(
    ("source", "meaning"),
    [
        (STOCK, Meaning("native", "stock")),
        ("# why\nfound = user.name\n\nreturn found  # it", Meaning("native", "stock")),
        ("return 7", Meaning("recognised", "7")),
        ("    # why\n    return 7\n", Meaning("recognised", "7")),
        ("# why\n        return 7\n", Meaning("recognised", "7")),
        ("return '''a\nb'''", Meaning("recognised", "a\nb")),
        ("return 7" + " " * 100, None),
        ("return 7\nreturn 8", None),
        ("return", None),
        ("return (", None),
        ("", None),
        ("(" * 500, None),
    ],
)
def test_an_expression_is_native_simple_or_neither(source: str, meaning: Meaning[str] | None) -> None:
    assert meaning_of(source, WORDS) == meaning
    assert can_evaluate(source, WORDS) is (meaning is not None)


def test_what_is_too_long_is_not_read() -> None:
    assert body_of("return 7" + " " * MAX_LENGTH) == ()


@pytest.mark.parametrize("source", ["", "return 7", "yield 1", "  return 7", "# only a comment\npass"])
def test_the_body_of_a_function_is_no_syntax_error(source: str) -> None:
    assert syntax_error(source) is None


@pytest.mark.parametrize("source", ["return (", "def", "return 7\n  return 8", "# only a comment", "\0"])
def test_anything_else_is_one(source: str) -> None:
    assert syntax_error(source)
