"""The errors of a response, for pages and the executor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ostiary.record import dataclass

TOO_MANY: Final = "The password was wrong too many times. Start again."
"""The message after too many wrong passwords. Its page has its own heading, and can start the flow again."""


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """One error of a response. `string` is an English source text that pages translate."""

    string: str
    code: str = "invalid"


Errors = Mapping[str, Sequence[ErrorDetail]]
"""Errors by field name; "non_field_errors" are those of the whole response."""
