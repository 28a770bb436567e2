from __future__ import annotations

from ostiary.resource.bounded_cache import BoundedCache


def test_it_never_holds_more_than_it_may() -> None:
    kept: BoundedCache[int, str] = BoundedCache(3)
    assert [kept.keep(number, str(number)) for number in range(4)] == ["0", "1", "2", "3"]
    assert dict(kept) == {3: "3"}
    for number in range(100):
        kept.keep(number, str(number))
        assert len(kept) <= 3
        assert kept[number] == str(number)


def test_a_value_that_is_replaced_drops_nothing() -> None:
    kept: BoundedCache[int, str] = BoundedCache(2)
    kept.keep(1, "a")
    kept.keep(2, "b")
    kept.keep(2, "c")
    assert dict(kept) == {1: "a", 2: "c"}
