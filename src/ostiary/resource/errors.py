"""The errors of resources. Every problem names its field and says what was expected."""

from __future__ import annotations

from collections.abc import Sequence

from ostiary.record import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of one field. `field` is the wire name; "" is the object as a whole."""

    field: str
    message: str


class InvalidResource(Exception):
    """Invalid values of an object, with all problems at once."""

    def __init__(self, kind: str, problems: Sequence[Problem]) -> None:
        self.kind = kind
        self.problems = tuple(problems)
        super().__init__(
            f"{kind}: " + "; ".join(f"{p.field}: {p.message}" if p.field else p.message for p in self.problems)
        )


class UnknownKind(LookupError):
    """No kind of that name is registered."""
