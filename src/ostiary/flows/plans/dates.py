"""Dates among the answers of prompts, which a plan keeps as what they are: JSON has none."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

_ANSWERS: Final = "prompt_data"
_DATE: Final = "ostiary:date"
_MOMENT: Final = "ostiary:date-time"


def stored(context: Mapping[str, object]) -> Mapping[str, object]:
    """Return a context as it is stored: dates have a mark."""
    answers = context.get(_ANSWERS)
    if not isinstance(answers, Mapping) or not any(isinstance(value, date) for value in answers.values()):
        return context
    return {**context, _ANSWERS: {key: _marked(value) for key, value in answers.items()}}


def restored(context: Mapping[str, object]) -> Mapping[str, object]:
    """Return a stored context as it was."""
    answers = context.get(_ANSWERS)
    if not isinstance(answers, Mapping) or not any(isinstance(value, dict) for value in answers.values()):
        return context
    return {**context, _ANSWERS: {key: _read(value) for key, value in answers.items()}}


def _marked(value: object) -> object:
    if isinstance(value, date):
        return {_MOMENT if isinstance(value, datetime) else _DATE: value.isoformat()}
    return value


def _read(value: object) -> object:
    try:
        match value:
            case {"ostiary:date": str(text), **rest} if not rest:
                return date.fromisoformat(text)
            case {"ostiary:date-time": str(text), **rest} if not rest:
                return datetime.fromisoformat(text)
    except ValueError:  # an expression made it
        pass
    return value
