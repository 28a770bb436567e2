"""Times: microseconds since 1970 UTC inside, ISO 8601 with "Z" outside."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LEAST: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_MAX: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def parse_timestamp(raw: object) -> int:
    """Return microseconds since 1970 UTC for an ISO 8601 text, a datetime or date (YAML makes them), or such a number.

    What names no zone is UTC. Raises ValueError.
    """
    if isinstance(raw, int) and not isinstance(raw, bool) and _LEAST <= raw <= _MAX:
        return raw
    moment = raw
    if isinstance(raw, str):
        try:
            moment = datetime.fromisoformat(raw)
        except ValueError:
            moment = None
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if not isinstance(moment, datetime):
        raise ValueError("expected a time such as 2026-01-31T12:00:00Z")  # noqa: TRY004 - all problems are ValueErrors
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND


def format_timestamp(microseconds: int) -> str:
    """Return ISO 8601 UTC with microseconds and "Z" for microseconds since 1970."""
    return (_EPOCH + timedelta(microseconds=microseconds)).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
