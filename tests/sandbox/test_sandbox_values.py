"""Values on their way into the sandbox and out of it: kept as they are, or refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.sandbox.workers import AbortReason, HostObject
from ostiary.sandbox.workers.budget import Spent
from ostiary.sandbox.workers.values import MAX_DEPTH, NoValue, Outwards, inwards

ATOMS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-1000, max_value=1000)
    | st.datetimes()
    | st.timedeltas()
)
VALUES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
        | st.sets(st.text(max_size=5), max_size=3)
    ),
    max_leaves=20,
)


def size_of(value: object) -> int:
    """Count as the limit does: every value is one, and a text as long as it is."""
    if isinstance(value, str | bytes):
        return 1 + len(value)
    if isinstance(value, dict):
        return 1 + sum(size_of(key) + size_of(one) for key, one in value.items())
    if isinstance(value, list | tuple | set):
        return 1 + sum(size_of(one) for one in value)
    return 1


@given(VALUES)
def test_plain_data_is_kept_on_both_ways(value: object) -> None:
    assert inwards(value, lambda one: one) == value
    assert Outwards(10_000).copy(value) == value


@given(VALUES, st.integers(0, 100))
def test_a56_what_leaves_is_at_most_as_large_as_the_limit(value: object, limit: int) -> None:
    if size_of(value) <= limit:
        assert Outwards(limit).copy(value) == value
    else:
        with pytest.raises(Spent) as refused:
            Outwards(limit).copy(value)
        assert refused.value.reason is AbortReason.RESULT


def test_a56_a_value_that_is_shared_counts_each_time() -> None:
    value: object = "x"
    for _ in range(40):
        value = [value] * 10
    with pytest.raises(Spent):
        Outwards(1000).copy(value)


@pytest.mark.parametrize(
    "value",
    [
        int,
        object(),
        1j,
        ...,
        range(3),
        ValueError("x"),
        len,
        2**5000,
        Decimal("1e999999"),
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        Decimal("1" * 5000),
    ],
    ids=lambda value: str(type(value).__name__),
)
def test_a56_nothing_else_leaves(value: object) -> None:
    for wrapped in (value, [value], {"a": value}, (value,)):
        with pytest.raises(Spent):
            Outwards(10_000).copy(wrapped)


@pytest.mark.parametrize("value", [object(), 1j, range(3), len, iter([1])], ids=lambda value: type(value).__name__)
def test_what_the_host_must_not_pass_is_refused(value: object) -> None:
    with pytest.raises(NoValue):
        inwards([value], lambda one: one)


def test_depth_has_an_end_on_both_ways() -> None:
    value: list[object] = []
    for _ in range(MAX_DEPTH + 1):
        value = [value]
    with pytest.raises(NoValue):
        inwards(value, lambda one: one)
    with pytest.raises(Spent):
        Outwards(10_000).copy(value)


class Pair(NamedTuple):
    left: int
    right: HostObject


class Name(str):
    __slots__ = ()


def test_relatives_of_plain_types_become_plain() -> None:
    group = HostObject("Group")
    found = inwards(MappingProxyType({Name("a"): Pair(1, group), "b": UUID(int=1)}), lambda one: one.kind)
    assert found == {"a": (1, "Group"), "b": str(UUID(int=1))}
    assert isinstance(found, dict)
    assert [type(one) for one in found.values()] == [tuple, str]
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert inwards([now, timedelta(1)], lambda one: one) == [now, timedelta(1)]
