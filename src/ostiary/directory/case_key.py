"""Names that differ in case or in Unicode spelling only are the same name. Computed here, for both databases alike."""

from __future__ import annotations

import unicodedata


def case_key(text: str) -> str:
    """Return the key two spellings of one name share: NFKC, case folded (Unicode 3.13, R5 and D147)."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
