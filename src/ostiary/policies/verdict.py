"""What one policy says, and what it is asked with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.policies.context import PolicyContext
from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.directory.user import Subject


@dataclass(frozen=True, slots=True)
class Verdict:
    """Pass or fail, with messages for the person."""

    passing: bool
    messages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """What a policy is asked about: nobody in particular when `subject` is None."""

    subject: Subject | None
    context: PolicyContext
