"""What can go wrong in this room.

DirectoryError
 ├─ Busy              too many password hashes are waiting; the edge answers 503
 ├─ PasswordTooLong   more than 1,024 bytes
 ├─ Throttled         an authenticator or account waits out its failures; the edge answers 429
 ├─ SetupClosed       the first administrator exists; nothing re-opens the set-up
 ├─ UnknownUser, UnknownGroup, UnknownRole
 └─ UsernameTaken
"""

from __future__ import annotations


class DirectoryError(Exception):
    """The root of this room's errors. The message may be shown to whoever asked."""


class Busy(DirectoryError):
    """More passwords wait to be hashed than this machine can serve in time."""

    def __init__(self) -> None:
        super().__init__("Too many sign-ins at once. Please try again in a moment.")


class PasswordTooLong(DirectoryError):
    """The password has more than 1,024 bytes."""

    def __init__(self) -> None:
        super().__init__("A password may have at most 1,024 bytes.")


class Throttled(DirectoryError):
    """Too many failures. `retry_after` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(f"Too many attempts. Please try again in {retry_after} seconds.")


class SetupClosed(DirectoryError):
    """The set-up has been done, or its link has expired or was used."""

    def __init__(self) -> None:
        super().__init__("The first administrator has already been set up, or the link is no longer valid.")


class UnknownUser(DirectoryError):
    """Nobody has that name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f'There is no user "{name}".')


class UnknownGroup(DirectoryError):
    """No group has that name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f'There is no group "{name}".')


class UnknownRole(DirectoryError):
    """No role has that name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f'There is no role "{name}".')


class BadName(DirectoryError):
    """A user name or e-mail address that nobody may have."""

    def __init__(self, what: str, given: str, expected: str) -> None:
        super().__init__(f"The {what} {given!r} cannot be used: {expected}.")


class WeakPassword(DirectoryError):
    """A new password that the rules for passwords refuse; the message says why."""


class UsernameTaken(DirectoryError):
    """Somebody has that name already; names that differ in case only are the same name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f'The username "{name}" is taken.')
