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
    """The base of this room's errors. Nobody sees them: the failure result of the binding counts."""


class NotAvailable(PolicyError):
    """The policy is stored, but cannot be evaluated here."""


class PolicyFailed(PolicyError):
    """The expression of the policy failed."""


class Undetermined(PolicyError):
    """The result depends on something that a trial does not request; the message names it after `DEPENDS`."""
