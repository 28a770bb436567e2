"""The errors of policy evaluation.

PolicyError
    NotAvailable    the policy cannot be evaluated by this version
    PolicyFailed    its expression raised an exception, exceeded a limit, or used something that is not allowed
    Undetermined    its result depends on something that a trial does not request
"""

from __future__ import annotations

from typing import Final

DEPENDS: Final = "depends on "
"""The prefix of the message of `Undetermined`."""


class PolicyError(Exception):
    """The base of this room's errors. Nobody sees them: the failure result of the binding counts.

    `seconds` is the duration of the run, None if nothing ran.
    """

    seconds: float | None = None


class NotAvailable(PolicyError):
    """The policy is stored, but cannot be evaluated here."""


class PolicyFailed(PolicyError):
    """The expression of the policy failed."""

    def __init__(self, message: str, *, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class Undetermined(PolicyError):
    """The result depends on something that a trial does not request; the message names it after `DEPENDS`."""
