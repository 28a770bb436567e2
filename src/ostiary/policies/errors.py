"""What can go wrong while a policy is evaluated.

PolicyError
    NotAvailable    the policy cannot be evaluated by this version
"""

from __future__ import annotations


class PolicyError(Exception):
    """The root of this room's errors. Never answered to anybody: the binding's failure result counts."""


class NotAvailable(PolicyError):
    """The policy is stored, but cannot be evaluated here."""
