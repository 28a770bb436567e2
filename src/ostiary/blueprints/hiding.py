"""Masks texts of the environment and of files in messages."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from ostiary.seal import STARS

SHORTEST_SECRET: Final = 4
"""Shorter texts are no secrets, and masking them would garble every message."""


def masked_text(message: str, revealed: Collection[str]) -> str:
    """Return a message with stars in place of each of the texts, the longest first."""
    for text in sorted((text for text in revealed if len(text) >= SHORTEST_SECRET), key=len, reverse=True):
        message = message.replace(text, STARS)
    return message
