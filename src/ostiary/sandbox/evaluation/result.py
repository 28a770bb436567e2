"""The result of an evaluation: the value and the effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.store.database import Statement


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line for the server's log. `level` is a level of logging, in lower case."""

    level: str
    text: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WantedEvent:
    """An event, with the action as the expression names it."""

    action: str
    context: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """The effects of an expression, in its order.

    `context` is `request.context` after the evaluation, and `plan` the plan context; both are None if unchanged.
    Objects in them are `sandbox.evaluation.object_fields.ObjectReference`. `posts` are the statements that put `mails`
    into the outbox. `asked` describes the network requests that were made during the evaluation.
    """

    messages: tuple[str, ...] = ()
    log: tuple[LogLine, ...] = ()
    events: tuple[WantedEvent, ...] = ()
    mails: tuple[Mapping[str, object], ...] = ()
    posts: tuple[Statement, ...] = ()
    asked: tuple[str, ...] = ()
    context: Mapping[str, object] | None = None
    plan: Mapping[str, object] | None = None


NO_EFFECTS = Effects()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The value of an expression, as plain data.

    For a policy `passing` is its truth value. `skipped` says that the expression raised SkipObject. `depends` names the
    network request that a trial did not make. `seconds` is the duration.
    """

    value: object = None
    passing: bool = False
    effects: Effects = NO_EFFECTS
    printed: str = ""
    seconds: float = 0.0
    skipped: bool = False
    depends: str = ""
