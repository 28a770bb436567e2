"""What can go wrong while a policy is evaluated.

PolicyError
    NotAvailable    the policy cannot be evaluated by this version
    Failing         its expression raised an exception, took too long, or wants what it may not have
    Undetermined    what it says depends on something that a trial does not ask
"""

from __future__ import annotations

from typing import Final

DEPENDS: Final = "depends on "
"""How the text of `Undetermined` begins."""


class PolicyError(Exception):
    """The root of this room's errors. Never answered to anybody: the binding's failure result counts."""


class NotAvailable(PolicyError):
    """The policy is stored, but cannot be evaluated here."""


class Failing(PolicyError):
    """The policy's expression gave no value."""


class Undetermined(PolicyError):
    """What the policy says depends on something that a trial does not ask, named by the message behind `DEPENDS`."""
