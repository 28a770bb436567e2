"""The errors of tokens and keys.

JoseError
├── MalformedToken   not a compact JWS of the form we issue
├── BadSignature     the signature is not of a given key
└── UnsupportedKey   a key of a type, curve or size that is not used for signing here
"""

from __future__ import annotations


class JoseError(ValueError):
    """The base of these errors."""


class MalformedToken(JoseError):
    """Not a compact JWS of the form we issue."""


class BadSignature(JoseError):
    """The signature is not of a given key."""


class UnsupportedKey(JoseError):
    """A key of a type, curve or size that is not used for signing here."""
