"""The new password among the answers of a prompt stage, for the policies about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ostiary.policies.errors import NotAvailable

if TYPE_CHECKING:
    from ostiary.policies.policy_request import PolicyRequest


def prompt_password(policy_request: PolicyRequest, field: str) -> str:
    """Return the answer with that key. Raises NotAvailable if there is none."""
    answers = policy_request.context.facts.get("prompt_data")
    text = answers.get(field) if isinstance(answers, Mapping) else None
    if not isinstance(text, str):
        message = f"no answer called {field!r}"
        raise NotAvailable(message)
    return text
