"""What can be wrong with tokens and keys.

JoseError
├── MalformedToken   not a compact JWS we would ever have made
├── BadSignature     no given key made this signature
└── UnsupportedKey   a key of a type, curve or size that is not used for signing here
"""

from __future__ import annotations


class JoseError(ValueError):
    """The root of this room's errors."""


class MalformedToken(JoseError):
    """Not a compact JWS we would ever have made."""


class BadSignature(JoseError):
    """No given key made this signature."""


class UnsupportedKey(JoseError):
    """A key of a type, curve or size that is not used for signing here."""
