"""What is wrong with an answer, as pages and the executor tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ostiary.record import dataclass

TOO_MANY: Final = "The password was wrong too many times. Start again."
"""The refusal after too many wrong passwords: its page says so in its heading, and begins again."""


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """One thing wrong with an answer. `string` is an English source text that pages translate."""

    string: str
    code: str = "invalid"


Errors = Mapping[str, Sequence[ErrorDetail]]
"""Errors by field name; "non_field_errors" concerns the answer as a whole."""
