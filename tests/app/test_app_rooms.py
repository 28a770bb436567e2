"""The list of rooms: what each gives arrives, and hooks join in the order of the floors."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import ostiary
from ostiary.app.core import open_core
from ostiary.app.hooks import joined_hooks
from ostiary.app.metrics import Metrics
from ostiary.app.rooms import ROOMS, STORE, services_of
from ostiary.app.site import build_site
from ostiary.directory.rows.backend import AccountHooks
from ostiary.directory.users import Users
from ostiary.room import MissingService, Room, Service, ServiceRegistry
from ostiary.sessions.sessions import Hooks
from ostiary.settings import load
from ostiary.store.database import Statement

TRACING = "ostiary.tracing.room"  # in the list of a process that has a collector


def test_every_room_module_is_in_the_list() -> None:
    names = [
        module.name
        for module in pkgutil.walk_packages(ostiary.__path__, "ostiary.")
        if module.name.endswith(".room") and module.name not in {"ostiary.room", "ostiary.store.room", TRACING}
    ]
    given = [importlib.import_module(name).ROOM for name in names]
    assert {room.name for room in given} == {room.name for room in ROOMS} - {STORE.name}
    assert all(any(room is listed for listed in ROOMS) for room in given)
    assert len({room.name for room in ROOMS}) == len(ROOMS)


async def test_clients_are_told_before_what_they_know_a_session_by_is_forgotten(tmp_path: Path) -> None:
    settings = load({"OSTIARY_DATA_DIR": str(tmp_path), "OSTIARY_SECRET_KEY": "k" * 40}, default_file=None)
    core = await open_core(settings, environ={}, create=True)
    sessions, accounts = core.services[Hooks], core.services[AccountHooks]
    await core.close()
    assert [hook.__module__.rpartition("ostiary.")[2] for hook in sessions.on_end] == [
        "providers.oauth2.logout.backchannel",
        "flows.engine",
        "grants.cascades",
    ]
    assert [hook.__module__.rpartition("ostiary.")[2] for hook in accounts.on_ended] == [
        "providers.oauth2.logout.backchannel",
        "grants.cascades",
        "policies.room",  # keeps earlier passwords
    ]
    assert (len(sessions.on_begin), len(sessions.on_move), len(sessions.on_logout), len(sessions.on_frontchannel)) == (
        2, 2, 1, 1,
    )  # fmt: skip


def registry(*objects: object, offered: Sequence[Service[Any]] = ()) -> ServiceRegistry:
    database: object = None
    return ServiceRegistry(*objects, database=database, clock=lambda: 0, offered=offered)  # type: ignore[arg-type]


def test_a_room_that_hangs_nothing_on_anything_adds_nothing() -> None:
    takes = Room(
        name="takes", hooks=[Service(Hooks, lambda _: Hooks()), Service(AccountHooks, lambda _: AccountHooks())]
    )
    hook = AccountHooks([lambda _user, _now: [Statement("SELECT 1")]])
    one = Room(name="one", hooks=[Service(AccountHooks, lambda _: hook)])
    services = registry(offered=joined_hooks([takes, Room(name="none"), one]))
    assert services[Hooks] == Hooks()
    assert services[AccountHooks].on_ended == hook.on_ended


def test_a_service_is_found_by_its_class() -> None:
    services = registry(7)
    assert services[int] == 7
    assert services.extended("text")[str] == "text"
    with pytest.raises(MissingService, match="no str was built"):
        services[str]
    with pytest.raises(ValueError, match="two services of one class"):
        services.extended(8)
    with pytest.raises(ValueError, match="two services of one class"):
        registry(7, offered=[Service(int, lambda _: 8)])


def test_a_service_is_built_once_and_only_when_it_is_wanted() -> None:
    built: list[str] = []

    def text(services: ServiceRegistry) -> str:
        built.append("text")
        return f"number {services[int]}"

    services = registry(offered=[Service(str, text), Service(int, lambda _: 7)])
    above = services.extended(1.5, offered=[Service(bytes, lambda own: own[str].encode())])
    assert built == []
    assert above[bytes] == b"number 7"
    assert above[str] is services[str]
    assert built == ["text"]
    with pytest.raises(MissingService, match="no bytes was built"):
        services[bytes]


def test_services_that_need_each_other_are_refused() -> None:
    services = registry(offered=[Service(str, lambda own: str(own[int])), Service(int, lambda own: len(own[str]))])
    for _ in range(2):
        with pytest.raises(MissingService, match="str needs itself to be built"):
            services[str]


async def test_only_processes_that_answer_requests_have_the_services_of_a_site(tmp_path: Path) -> None:
    settings = load({"OSTIARY_DATA_DIR": str(tmp_path), "OSTIARY_SECRET_KEY": "k" * 40}, default_file=None)
    core = await open_core(settings, environ={}, create=True)
    built = build_site(core, Metrics(version="1"))
    offered = services_of(ROOMS)
    for service in offered:
        assert isinstance(built.services[service.kind], service.kind)
        assert (service.kind in core.services) is not service.site
    assert len({service.kind for service in offered}) == len(offered)
    assert built.services[Users] is core.users
    await core.close()
