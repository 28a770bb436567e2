"""Conflicts that stop tokens from being stored.

GrantError
|- GrantGone   the family has ended (logout, replay, disabled user) since it was read
|- Raced       another request used the same refresh token meanwhile; read it again
'- RequestUsed the pushed authorization request was used already
"""

from __future__ import annotations


class GrantError(Exception):
    """The root of this room's errors."""


class GrantGone(GrantError):
    """The family has ended."""


class Raced(GrantError):
    """A concurrent request was first. Read the state again."""


class RequestUsed(GrantError):
    """The pushed request was used already."""
