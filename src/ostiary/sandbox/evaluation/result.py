"""What came of a run: the value, and what the expression would like done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.store.database import Statement


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line for the server's log. `level` is a name of logging, in lower case."""

    level: str
    text: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WantedEvent:
    """An event; its action as the expression names it."""

    action: str
    context: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What an expression would like done, in its order.

    `context` is `request.context` as the expression left it, `plan` the context of the flow's plan; both None where the
    expression has not changed them. Objects in them are `sandbox.evaluation.object_fields.ObjectReference`. `posts`
    are the statements that put `mails` into the outbox.
    """

    messages: tuple[str, ...] = ()
    log: tuple[LogLine, ...] = ()
    events: tuple[WantedEvent, ...] = ()
    mails: tuple[Mapping[str, object], ...] = ()
    posts: tuple[Statement, ...] = ()
    context: Mapping[str, object] | None = None
    plan: Mapping[str, object] | None = None


NO_EFFECTS = Effects()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The value of an expression, as plain data.

    For a policy `passing` is its truth. `skipped` tells that the expression raised SkipObject. `depends` names what the
    value depends on that a trial does not ask. `seconds` is how long the run took.
    """

    value: object = None
    passing: bool = False
    effects: Effects = NO_EFFECTS
    printed: str = ""
    seconds: float = 0.0
    skipped: bool = False
    depends: str = ""
