"""The errors of the directory.

DirectoryError
 ├─ Busy              the queue of password hashes is full; the response is 503
 │   └─ NoMemory      there is no memory for a password hash, or no thread
 ├─ PasswordTooLong   more than 1,024 bytes
 ├─ WeakPassword      a new password violates the password rules
 ├─ ProofRefused      a right proof of a device that is not accepted; the message says why
 ├─ Throttled         too many failures of an authenticator or account; the response is 429
 ├─ SetupClosed       the set-up is done, which is final, or its link is no longer valid
 ├─ UnknownUser, UnknownGroup, UnknownRole, UnknownFactor
 ├─ BadName           a username or e-mail address is not allowed
 └─ UsernameTaken
"""

from __future__ import annotations


class DirectoryError(Exception):
    """The root of this room's errors. The message may be shown to the requester."""


class Busy(DirectoryError):
    """The queue of password hashes is full. `code` is that of the answer."""

    code = "busy"

    def __init__(self, message: str = "Too many sign-ins at once. Try again in a moment.") -> None:
        super().__init__(message)


class NoMemory(Busy):
    """A password could not be hashed for want of memory."""

    code = "no_memory"

    def __init__(self) -> None:
        super().__init__("The server is short of memory. Try again in a moment.")


class PasswordTooLong(DirectoryError):
    """The password has more than 1,024 bytes."""

    def __init__(self) -> None:
        super().__init__("A password may have at most 1,024 bytes.")


class ProofRefused(DirectoryError):
    """A right proof of a device that is not accepted.

    `code` is that of the answer. `suspicion` is what the audit log says of it, "" if it is nothing to worry about.
    """

    def __init__(self, message: str, *, code: str, suspicion: str = "") -> None:
        self.code = code
        self.suspicion = suspicion
        super().__init__(message)


class Throttled(DirectoryError):
    """Too many failures. `retry_after` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(f"Too many attempts. Try again in {retry_after} seconds.")


class SetupClosed(DirectoryError):
    """The set-up is done, or its link has expired or was used."""

    def __init__(self) -> None:
        super().__init__("The first administrator has already been set up, or the link is no longer valid.")


class UnknownUser(DirectoryError):
    """There is no user with that name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f'There is no user "{name}".')


class UnknownFactor(DirectoryError):
    """The user has no such authenticator."""

    def __init__(self, username: str, factor: str) -> None:
        super().__init__(f'{username} has no factor "{factor}".')


class UnknownGroup(DirectoryError):
    """There is no group with that name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f'There is no group "{name}".')


class UnknownRole(DirectoryError):
    """There is no role with that name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f'There is no role "{name}".')


class BadName(DirectoryError):
    """A username or e-mail address that is not allowed."""

    def __init__(self, field: str, value: str, expected: str) -> None:
        super().__init__(f"The {field} {value!r} cannot be used: {expected}.")


class WeakPassword(DirectoryError):
    """A new password that violates the password rules. The message says why."""


class UsernameTaken(DirectoryError):
    """The username is taken. Names that differ only in case are the same."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f'The username "{name}" is taken.')
