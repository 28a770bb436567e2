"""Durations as people read and write them."""

from __future__ import annotations

import pytest

from ostiary.proto.duration import duration_text, parse_duration

SECOND = 1_000_000


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("seconds=0", 0),
        ("minutes=1;seconds=30", 90 * SECOND),
        ("days=1;hours=12", 36 * 3600 * SECOND),
        ("days=14", 14 * 24 * 3600 * SECOND),
    ],
)
def test_a_duration_is_written_as_it_is_read(text: str, microseconds: int) -> None:
    assert parse_duration(text) == microseconds
    assert duration_text(microseconds) == text


def test_weeks_are_read_and_written_as_days() -> None:
    assert duration_text(parse_duration("weeks=2")) == "days=14"
