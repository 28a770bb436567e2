"""Work over many objects: it looks things up by index, proves a key once, and lets others have the event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from config_kinds import KINDS, House, Zone
from hypothesis import given
from hypothesis import strategies as st

from ostiary.keys import pem
from ostiary.keys.certificate import generate_self_signed
from ostiary.keys.errors import UnreadableKey
from ostiary.keys.pem import read_private_key
from ostiary.resource import Registry
from ostiary.store import pace
from ostiary.store.configuration.snapshot import index_key
from ostiary.store.workspace import overlay
from ostiary.store.workspace.changes import StoredObject
from ostiary.store.workspace.pending import Pending

MANY = 200
KIND = Registry(KINDS).get("test_zones.zone")


async def make_many(ws: Any) -> None:
    for number in range(MANY):
        assert await ws.match("test_zones.zone", [("name", f"zone {number}")]) == []
        await ws.create("test_zones.zone", {"name": f"zone {number}", "secret": "s"})
        assert len(await ws.match("test_zones.zone", [("name", f"ZONE {number}")])) == 1


async def test_a_look_up_does_not_look_at_everything(small_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0
    real: Any = vars(overlay)["holds"]

    async def counted(*given: Any) -> bool:
        nonlocal looked
        looked += 1
        return bool(await real(*given))

    monkeypatch.setattr(overlay, "holds", counted)
    await small_house.edit(make_many)
    assert looked <= MANY


async def test_others_have_the_loop_in_between(small_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "SLICE", 0.0)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await small_house.edit(make_many)
    task.cancel()
    assert turns >= 3 * MANY


async def test_what_is_made_up_of_many_is_made_up_in_a_thread(
    small_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: list[int] = []
    read, audit = small_house.plane._read, small_house.editor._audit

    def reading(row: Any) -> Any:
        where.append(threading.get_ident())
        return read(row)

    def auditing(*given: Any) -> Any:
        where.append(threading.get_ident())
        return list(audit(*given))

    monkeypatch.setattr(small_house.plane, "_read", reading)
    monkeypatch.setattr(small_house.editor, "_audit", auditing)
    await small_house.edit(make_many)
    assert len(where) == MANY + 1
    assert threading.get_ident() not in where
    assert len(small_house.plane.snapshot.all(Zone)) == MANY


def test_a_key_is_proven_once(monkeypatch: pytest.MonkeyPatch) -> None:
    key = generate_self_signed("k", "k.example", now=1_700_000_000_000_000).key_data.reveal()
    proofs = []
    real: Any = vars(pem)["load_pem_private_key"]

    def loaded(data: bytes, **how: Any) -> Any:
        if not how["unsafe_skip_rsa_key_validation"]:
            proofs.append(data)
        return real(data, **how)

    monkeypatch.setattr(pem, "load_pem_private_key", loaded)
    for _ in range(20):
        read_private_key(key)
    assert len(proofs) == 1
    read_private_key(generate_self_signed("k", "k.example", now=1_700_000_000_000_000).key_data.reveal())
    assert len(proofs) == 2
    with pytest.raises(UnreadableKey):
        read_private_key(key.replace("PRIVATE", "PUBLIC"))


def stored(pk: str, name: str, slug: str) -> StoredObject:
    return StoredObject(KIND, pk, {"name": name, "slug": slug})


KEYS = st.sampled_from([("test_zones.zone", pk) for pk in "abcd"])
NAMES = st.sampled_from(["x", "X", "y"])
STEP = st.one_of(
    st.tuples(st.just("set"), KEYS, NAMES, NAMES),
    st.tuples(st.just("drop"), KEYS, NAMES, NAMES),
    st.tuples(st.just("remove"), KEYS, NAMES, NAMES),
    st.tuples(st.just("ask"), KEYS, NAMES, NAMES),
)


@given(st.lists(STEP, max_size=40))
def test_what_is_pending_is_found_as_by_looking_at_all_of_it(steps: list[Any]) -> None:
    pending = Pending()
    plain: dict[tuple[str, str | int], StoredObject | None] = {}
    for verb, key, name, slug in steps:
        if verb == "set":
            plain[key] = stored(key[1], name, slug)
            pending.set(key, plain[key])
        elif verb == "drop":
            plain[key] = None
            pending.set(key, None)
        elif verb == "remove":
            plain.pop(key, None)
            pending.remove(key)
        for wanted in ({"name": name}, {"slug": slug}, {"slug": slug, "name": name}):
            expected = {
                one.pk
                for one in plain.values()
                if one is not None and index_key(KIND, {n: one.values[n] for n in wanted}) == index_key(KIND, wanted)
            }
            assert {one.pk for one in pending.where(KIND, wanted)} == expected
        assert dict(pending.items()) == plain
        assert {one.pk for one in pending.of(KIND)} == {one.pk for one in plain.values() if one is not None}
    assert dict(Pending(plain).items()) == plain
