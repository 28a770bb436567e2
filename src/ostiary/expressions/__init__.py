"""Administrators' expressions: bodies of Python functions, which are read here and not executed.

Owns no objects and serves no paths. Must not know policies, mappings or prompts: each room hands over its vocabulary,
the expressions it understands by their hash and by their shape. What evaluates the others will live here too.
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
