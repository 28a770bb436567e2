"""authentik's duration texts: "weeks=1;days=2;hours=3;minutes=4;seconds=5;milliseconds=6;microseconds=7"."""

from __future__ import annotations

from typing import Final

_MICROSECONDS: Final = {
    "weeks": 604_800_000_000,
    "days": 86_400_000_000,
    "hours": 3_600_000_000,
    "minutes": 60_000_000,
    "seconds": 1_000_000,
    "milliseconds": 1_000,
    "microseconds": 1,
}
_LIMIT: Final = 100 * 366 * _MICROSECONDS["days"]


def parse_duration(text: str) -> int:
    """Return the duration in microseconds.

    Pairs are joined by ";", numbers may be fractions and negative, unknown keys are ignored, as authentik does.
    Raises ValueError when no pair is valid, or when the sum exceeds a hundred years.
    """
    total = 0.0
    has_pair = False
    for pair in text.split(";"):
        key, _, number = pair.partition("=")
        unit = _MICROSECONDS.get(key.strip().lower())
        if unit is None:
            continue
        try:
            total += float(number) * unit
        except ValueError:
            break
        has_pair = True
    else:
        if has_pair and abs(total) <= _LIMIT:
            return round(total)
    message = 'expected a duration such as "hours=1;minutes=30"'
    raise ValueError(message)


def duration_text(microseconds: int) -> str:
    """Return the text of a duration in microseconds: 129,600,000,000 is "days=1;hours=12"."""
    parts, remainder = [], microseconds
    for unit, size in _MICROSECONDS.items():
        if unit == "weeks":
            continue  # authentik's texts say days=14, not weeks=2
        number, remainder = divmod(remainder, size)
        if number:
            parts.append(f"{unit}={number}")
    return ";".join(parts) or "seconds=0"
