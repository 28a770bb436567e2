"""The errors of keys and certificates, for the operator.

KeysError
'- CannotRotate   the named provider or pair does not exist, or signs nothing
"""

from __future__ import annotations


class KeysError(LookupError):
    """The root of this room's errors."""


class CannotRotate(KeysError):
    """The named provider or pair does not exist, or signs nothing. The text says which."""


class UnreadableKey(ValueError):
    """A certificate or key cannot be read or used. The text says what was expected."""
