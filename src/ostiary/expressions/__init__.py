"""Administrators' expressions: bodies of Python functions, which this room parses but never executes.

It owns no objects and serves no paths. It knows no policies, mappings or prompts: each room passes its vocabulary, the
expressions that it evaluates natively, by hash and by syntax tree. The room sandbox runs all others.
"""

from ostiary.expressions.hashing import NotPython, expression_hash
from ostiary.expressions.reading import returned, syntax_error
from ostiary.expressions.vocabulary import Meaning, Vocabulary, can_evaluate, meaning_of

__all__ = [
    "Meaning",
    "NotPython",
    "Vocabulary",
    "can_evaluate",
    "expression_hash",
    "meaning_of",
    "returned",
    "syntax_error",
]
