"""Bearer values: how they are made, and the only form in which they are kept."""

from __future__ import annotations

import hashlib
import secrets


def token_hash(value: str) -> bytes:
    """Return the SHA-256 a bearer value is stored and looked up by.

    A plain hash is enough: the values are random and long, nothing can be tried out.
    """
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()


def new_token(bits: int = 256) -> str:
    """Return a new random bearer value in URL-safe base64 without padding."""
    return secrets.token_urlsafe(bits // 8)
