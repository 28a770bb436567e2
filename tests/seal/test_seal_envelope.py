"""Envelope encryption: sealed texts that open, and the errors of those that do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.seal import Secret, envelope
from ostiary.seal.envelope import Sealer, Tampered, WrongKey

KEY, OLD = Secret("the key"), Secret("the old key")


@given(st.binary(max_size=100), st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_a_sealed_text_opens(plain: bytes, context: str) -> None:
    sealed = Sealer(KEY).seal(plain, context=context)
    assert Sealer(KEY).open(sealed, context=context) == plain


def test_sealing_twice_gives_different_texts_with_one_key_id() -> None:
    sealer = Sealer(KEY)
    one, two = sealer.seal(b"x", context="c"), sealer.seal(b"x", context="c")
    assert one != two
    assert one.split(".")[:2] == ["s1", sealer.key_id]
    assert one.split(".")[2] == two.split(".")[2]  # the data key serves many


def test_a_sealed_text_is_bound_to_its_context() -> None:
    sealer = Sealer(KEY)
    with pytest.raises(Tampered, match="changed or moved"):
        sealer.open(sealer.seal(b"x", context="kind/1/field"), context="kind/2/field")


def test_the_error_names_the_other_key() -> None:
    with pytest.raises(WrongKey, match=Sealer(OLD).key_id):
        Sealer(KEY).open(Sealer(OLD).seal(b"x", context="c"), context="c")


def test_previous_keys_open_and_rewrap() -> None:
    sealed = Sealer(OLD).seal(b"x", context="c")
    both = Sealer(KEY, [OLD])
    assert both.open(sealed, context="c") == b"x"
    renewed = both.rewrap(sealed)
    assert renewed != sealed
    assert both.rewrap(renewed) == renewed
    assert Sealer(KEY).open(renewed, context="c") == b"x"
    assert both.seal(b"y", context="c").split(".")[1] == Sealer(KEY).key_id
    with pytest.raises(WrongKey):
        Sealer(KEY).rewrap(sealed)


@pytest.mark.parametrize("text", ["", "x", "s1", "s1.abc", "s2.a.b.c", "plain text", "s1..x.y"])
def test_a_malformed_text_is_refused(text: str) -> None:
    with pytest.raises((Tampered, WrongKey)):
        Sealer(KEY).open(text, context="c")


def test_every_changed_character_is_detected() -> None:
    sealed = Sealer(KEY).seal(b"secret", context="c")
    for index, character in enumerate(sealed):
        changed = sealed[:index] + ("A" if character != "A" else "B") + sealed[index + 1 :]
        with pytest.raises((Tampered, WrongKey)):
            Sealer(KEY).open(changed, context="c")
    for broken in (sealed[:-8], sealed + "é", sealed + "="):
        with pytest.raises(Tampered):
            Sealer(KEY).open(broken, context="c")


def test_canary() -> None:
    canary = Sealer(KEY).canary()
    Sealer(KEY).verify_canary(canary)
    Sealer(OLD, [KEY]).verify_canary(canary)
    with pytest.raises(WrongKey):
        Sealer(OLD).verify_canary(canary)
    with pytest.raises(Tampered, match="unexpected content"):
        Sealer(KEY).verify_canary(Sealer(KEY).seal(b"other", context="ostiary/canary"))


def test_the_data_key_is_renewed_and_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelope, "_SEALS_PER_KEY", 2)
    monkeypatch.setattr(envelope, "_CACHED_KEYS", 3)
    sealer = Sealer(KEY)
    sealed = [sealer.seal(str(index).encode(), context="c") for index in range(12)]
    assert len({text.split(".")[2] for text in sealed}) == 6
    assert len(sealer._data_keys) <= 3
    assert [sealer.open(text, context="c") for text in sealed] == [str(index).encode() for index in range(12)]
    assert sealer.open(sealer.seal(b"after", context="c"), context="c") == b"after"


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        Sealer(Secret(""))
