"""Lists of words, written as one text."""

from __future__ import annotations


def name_set(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())
