"""Carrying out effects: events and mails as statements for the caller's batch, and log lines."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Final

from ostiary.events.event import ACTIONS, event
from ostiary.sandbox.evaluation.object_fields import ObjectReference
from ostiary.sandbox.evaluation.result import Effects, WantedEvent
from ostiary.store.database import Statement

_LOGGER: Final = logging.getLogger("ostiary.expressions")
_LEVELS: Final[Mapping[str, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}
_MAX_LINE_LENGTH: Final = 1_000  # characters of one line
_CUSTOM: Final = "custom_"
_MAX_ACTION_LENGTH: Final = 64  # characters


def effect_statements(
    effects: Effects, *, user: Mapping[str, object] | None, client_ip: str | None, now: int
) -> Iterator[Statement]:
    """Yield the statements of the events and mails. `now` is microseconds UTC."""
    for wanted in effects.events:
        yield event(
            _action(wanted), user=user, app="expression", context=_plain(wanted.context), client_ip=client_ip, now=now
        )
    yield from effects.posts


def write_log(effects: Effects, what: str) -> None:
    """Write the log lines. `what` names the expression."""
    for asked in effects.asked:
        _LOGGER.info("%s: %s", what, _one_line(asked[:_MAX_LINE_LENGTH]))
    for line in effects.log:
        values = "".join(f" {name}={value}" for name, value in line.values.items())
        text = f"{line.text}{values}"
        _LOGGER.log(_LEVELS.get(line.level, logging.INFO), "%s: %s", what, _one_line(text[:_MAX_LINE_LENGTH]))


def effects_in_words(effects: Effects) -> Iterator[str]:
    """Yield a description of each effect, for traces and trials."""
    if effects.plan is not None:
        yield f"leaves the plan's context with {', '.join(sorted(effects.plan)) or 'nothing'}"
    yield from (f"writes an event {wanted.action}" for wanted in effects.events)
    yield from (f"sends a mail to {_recipients(mail)}" for mail in effects.mails)
    yield from (f"writes to the log: {line.text}" for line in effects.log)
    yield from effects.asked


def _recipients(mail: Mapping[str, object]) -> str:
    named = [mail.get(name) for name in ("to", "cc", "bcc")]
    return ", ".join(str(one) for given in named if isinstance(given, list) for one in given)


def _one_line(text: str) -> str:
    # guard: A81 what an expression logs is one line
    return text.encode("unicode_escape").decode("ascii") if not text.isprintable() else text


def _action(wanted: WantedEvent) -> str:
    action = wanted.action[:_MAX_ACTION_LENGTH]
    return action if action in ACTIONS or action.startswith(_CUSTOM) else _CUSTOM + action


def _plain(context: Mapping[str, object]) -> dict[str, object]:
    return {name: _named(value) for name, value in context.items()}


def _named(value: object) -> object:
    if isinstance(value, ObjectReference):
        return {"model_name": value.kind, "pk": value.pk, "name": value.name}
    if isinstance(value, Mapping):
        return {name: _named(item) for name, item in value.items()}
    return [_named(item) for item in value] if isinstance(value, list) else value
