"""The list of rooms: what each gives arrives, and hooks join in the order of the floors."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest

import ostiary
from ostiary.app.core import open_core
from ostiary.app.hooks import hooks_of
from ostiary.app.rooms import ROOMS, STORE
from ostiary.directory.rows.backend import AccountHooks
from ostiary.room import MissingService, Room, ServiceRegistry
from ostiary.sessions.sessions import Hooks
from ostiary.settings import load
from ostiary.store.database import Statement


def test_every_room_module_is_in_the_list() -> None:
    names = [
        module.name
        for module in pkgutil.walk_packages(ostiary.__path__, "ostiary.")
        if module.name.endswith(".room") and module.name not in {"ostiary.room", "ostiary.store.room"}
    ]
    given = [importlib.import_module(name).ROOM for name in names]
    assert {room.name for room in given} == {room.name for room in ROOMS} - {STORE.name}
    assert all(any(room is listed for listed in ROOMS) for room in given)
    assert len({room.name for room in ROOMS}) == len(ROOMS)


async def test_clients_are_told_before_what_they_know_a_session_by_is_forgotten(tmp_path: Path) -> None:
    settings = load({"OSTIARY_DATA_DIR": str(tmp_path), "OSTIARY_SECRET_KEY": "k" * 40}, default_file=None)
    core = await open_core(settings, environ={}, create=True)
    sessions, accounts = hooks_of(ROOMS, core.services)
    await core.close()
    assert [hook.__module__.rpartition("ostiary.")[2] for hook in sessions.on_end] == [
        "providers.oauth2.logout.backchannel",
        "flows.engine",
        "grants.cascades",
    ]
    assert [hook.__module__.rpartition("ostiary.")[2] for hook in accounts.on_ended] == [
        "providers.oauth2.logout.backchannel",
        "grants.cascades",
    ]
    assert (len(sessions.on_begin), len(sessions.on_move), len(sessions.on_logout), len(sessions.on_farewell)) == (
        1, 2, 1, 1,
    )  # fmt: skip


def test_a_room_that_hangs_nothing_on_anything_adds_nothing() -> None:
    database: object = None
    services = ServiceRegistry(database=database, clock=lambda: 0)  # type: ignore[arg-type]
    one = Room(name="one", hooks=lambda _: [AccountHooks([lambda _user, _now: [Statement("SELECT 1")]])])
    sessions, accounts = hooks_of([Room(name="none"), one], services)
    assert sessions == Hooks()
    assert len(accounts.on_ended) == 1


def test_a_service_is_found_by_its_class() -> None:
    database: object = None
    services = ServiceRegistry(7, database=database, clock=lambda: 0)  # type: ignore[arg-type]
    assert services[int] == 7
    assert services.extended("text")[str] == "text"
    with pytest.raises(MissingService, match="no str was built"):
        services[str]
    with pytest.raises(ValueError, match="two services of one class"):
        services.extended(8)
