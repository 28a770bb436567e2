"""Case folding of names. Spellings that differ only in case or Unicode form are one name, on both databases."""

from __future__ import annotations

import unicodedata


def case_key(text: str) -> str:
    """Return the case-folded form of a name: NFKC, casefold (Unicode 3.13, R5 and D147)."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
