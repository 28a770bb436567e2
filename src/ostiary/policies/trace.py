"""The trace of a decision, as plain data: the user, the object, and the result of each binding."""

from __future__ import annotations

from typing import Literal

from ostiary.record import dataclass
from ostiary.resource import Pk

How = Literal[
    "disabled",  # the binding is switched off
    "static",  # a group or a user was compared
    "native",  # a stock expression, run as a function
    "recognised",  # a simple expression, read from its syntax tree
    "executed",  # an expression, run in the sandbox
    "rules",  # a policy with rules of its own, such as the password policy
    "failed",  # could not be evaluated: the binding's failure result counts
]


@dataclass(frozen=True, slots=True)
class TraceStep:
    """The evaluation of one binding. `raw` is the result before negation, `result` after it.

    For an expression run in the sandbox, `duration` is in microseconds, and `effects` describes its effects.
    """

    binding: Pk
    order: int
    kind: Literal["policy", "group", "user"]
    object: Pk
    name: str
    negate: bool
    how: How
    raw: bool | None
    result: bool | None
    messages: tuple[str, ...] = ()
    error: str = ""
    duration: int | None = None
    effects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """The trace. `static` is the joint result of all group and user bindings, None without any."""

    target: str
    mode: Literal["all", "any"]
    user: int | None
    steps: tuple[TraceStep, ...]
    static: bool | None
    passing: bool
    revision: int

    def data(self) -> dict[str, object]:
        """Return JSON data."""
        return {
            "target": self.target,
            "mode": self.mode,
            "user": self.user,
            "revision": self.revision,
            "static": self.static,
            "passing": self.passing,
            "steps": self.data_of_steps(),
        }

    def data_of_steps(self) -> list[dict[str, object]]:
        """Return the steps as JSON data."""
        return [
            {name: _plain(getattr(step, name)) for name in TraceStep.__slots__}  # in the order of the definition
            for step in self.steps
        ]


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
