"""Why tokens were not written.

GrantError
|- GrantGone   the family has ended (logout, replay, disabled user) since it was read
|- Raced       another request used the same refresh token in between; read it again
'- RequestUsed a pushed authorization request was answered already
"""

from __future__ import annotations


class GrantError(Exception):
    """The root of this room's errors."""


class GrantGone(GrantError):
    """The family is no more."""


class Raced(GrantError):
    """Somebody else was first; the state must be read again."""


class RequestUsed(GrantError):
    """The pushed request was answered already."""
