"""The errors of keys and certificates. Their texts are for the operator.

KeysError
'- CannotRotate   the provider or pair does not exist, or signs nothing

UnreadableKey     a certificate or key cannot be read or used
"""

from __future__ import annotations


class KeysError(LookupError):
    """The root of this room's errors."""


class CannotRotate(KeysError):
    """The provider or pair does not exist, or signs nothing. The text says which."""


class UnreadableKey(ValueError):
    """A certificate or key cannot be read or used. The text says what was expected."""
