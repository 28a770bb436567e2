"""What goes wrong with keys, told to the operator.

KeysError
'- CannotRotate   what is asked for does not exist or signs nothing
"""

from __future__ import annotations


class KeysError(LookupError):
    """The root of this room's errors."""


class CannotRotate(KeysError):
    """What is asked for does not exist or signs nothing; the text says which."""


class UnreadableKey(ValueError):
    """A certificate or key that is not what it should be; the text completes "expected ..."."""
