"""From what a program returned to a result: a value, and effects."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from ostiary.record import dataclass
from ostiary.sandbox.evaluation.errors import ExpressionFailed
from ostiary.sandbox.evaluation.object_fields import reference_of
from ostiary.sandbox.evaluation.result import Effects, Evaluation, LogLine, WantedEvent
from ostiary.sandbox.language.names import Dialect
from ostiary.sandbox.workers import Returned

_ODD: Final = "the program did not end as programs do"
SKIPPED: Final = "ostiary: skipped"
"""The value of a program that raised SkipObject; values of programs are lists."""


@dataclass(frozen=True, slots=True)
class Depends:
    """The value of a program that asked what a trial does not ask."""

    what: str


def result_of(outcome: Returned, dialect: Dialect) -> Evaluation:
    """Return the result. Raises ExpressionFailed for a value that cannot be told."""
    if outcome.value == SKIPPED:
        return Evaluation(skipped=True, printed=outcome.printed, seconds=outcome.seconds)
    if isinstance(outcome.value, Depends):
        return Evaluation(depends=outcome.value.what, printed=outcome.printed, seconds=outcome.seconds)
    told, effects, contexts = _three(outcome.value)
    passing, value = _told(told, is_verdict=dialect.result == "verdict")
    return Evaluation(
        value=plain(value),
        passing=passing,
        effects=_effects(effects, contexts),
        printed=outcome.printed,
        seconds=outcome.seconds,
    )


def _told(told: object, *, is_verdict: bool) -> tuple[bool, object]:
    """Return the truth of a policy's value and the value: JSON text, or in a list what no JSON was made of."""
    if isinstance(told, str):
        try:
            value = json.loads(told)
        except (ValueError, RecursionError):
            raise ExpressionFailed("the value cannot be told") from None
        return is_verdict and bool(value), value
    if isinstance(told, list) and len(told) == 1:
        if not is_verdict:
            return False, told[0]
        if isinstance(told[0], list) and len(told[0]) == 2:  # noqa: PLR2004 - as `ostiary_verdict` has it
            return bool(told[0][0]), told[0][1]
    raise ExpressionFailed(_ODD)


def plain(value: object) -> object:
    """Return a value as JSON data with references (`views.ObjectReference`). Raises ExpressionFailed."""
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if (reference := reference_of(value)) is not None:
        return reference
    if isinstance(value, Mapping):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, datetime | date | time | Decimal | timedelta):
        return value.isoformat() if isinstance(value, datetime | date | time) else str(value)
    raise ExpressionFailed(f"a value of the type {type(value).__name__} cannot be told")


def _key(key: object) -> str:
    """Return the key that JSON has for it."""
    if key is None:
        return "null"
    if isinstance(key, bool):
        return str(key).lower()
    if isinstance(key, str | int):
        return str(key)
    raise ExpressionFailed(f"a key of the type {type(key).__name__} cannot be told")


def _three(value: object) -> tuple[object, Sequence[object], Sequence[object]]:
    if isinstance(value, list) and len(value) == 3:  # noqa: PLR2004 - as `program` writes the last line
        first, effects, contexts = value
        if isinstance(effects, list) and isinstance(contexts, list):
            return first, effects, contexts
    raise ExpressionFailed(_ODD)


def _effects(effects: Sequence[object], contexts: Sequence[object]) -> Effects:
    noted = [list(one) for one in effects if isinstance(one, list | tuple) and one]
    context, plan = (_context(one) for one in contexts) if len(contexts) == 2 else (None, None)  # noqa: PLR2004 - both or none
    return Effects(
        messages=tuple(str(one[1]) for one in noted if one[0] == "message"),
        log=tuple(LogLine(str(one[1]), str(one[2]), _texts(one[3])) for one in noted if one[0] == "log"),
        events=tuple(WantedEvent(str(one[1]), _context(one[2]) or {}) for one in noted if one[0] == "event"),
        mails=tuple(_context(one[1]) or {} for one in noted if one[0] == "email"),
        context=context,
        plan=plan,
    )


def _context(value: object) -> Mapping[str, object] | None:
    found = plain(value)
    return found if isinstance(found, dict) else None


def _texts(value: object) -> Mapping[str, str]:
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, Mapping) else {}
