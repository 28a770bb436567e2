"""Bearer values: generation, and the hash by which they are stored."""

from __future__ import annotations

import hashlib
import secrets


def token_hash(value: str) -> bytes:
    """Return the SHA-256 by which a bearer value is stored and looked up.

    A plain hash is enough, because the values are long and random and cannot be guessed.
    """
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()


def new_token(bits: int = 256) -> str:
    """Return a new random bearer value in URL-safe base64 without padding."""
    return secrets.token_urlsafe(bits // 8)
