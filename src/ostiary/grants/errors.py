"""The conflicts that prevent the storage of tokens.

GrantError
|- GrantGone     the family has ended since it was read (logout, replay, disabled user)
|- Raced         a concurrent request used the same refresh token; read it again
'- RequestUsed   the pushed authorization request was already used
"""

from __future__ import annotations


class GrantError(Exception):
    """The root of this room's errors."""


class GrantGone(GrantError):
    """The family has ended."""


class Raced(GrantError):
    """A concurrent request used the token first. Read its state again."""


class RequestUsed(GrantError):
    """The pushed authorization request was already used."""
