"""A provider and a property mapping from a package of somebody else work everywhere, without a line in our tree."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from garden.ticket_mapping import TicketMapping
from garden.ticket_provider import TicketProvider
from plugins_browser import BEGIN, BLUEPRINT, PASSWORD, Browser, open_browser

from ostiary.app.core import clock, open_core
from ostiary.applications.by_provider import application_of, provider_of
from ostiary.applications.resources import Application
from ostiary.blueprints.report import render
from ostiary.blueprints.service import apply_paths
from ostiary.settings import load

ADDRESS = "https://notes.example.org/in"
LIBRARY = "/if/user/"


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    opened = await open_browser(tmp_path)
    yield opened
    await opened.house.close()


async def test_a_blueprint_stores_them_and_assigns_the_provider_to_an_application(browser: Browser) -> None:
    snapshot = browser.house.core.plane.snapshot
    application = snapshot.find(Application, slug="notes")
    assert application is not None
    provider = provider_of(snapshot, application)
    assert isinstance(provider, TicketProvider)
    assert application_of(snapshot, int(provider.pk)) is application
    names = {pk: item.name for pk in provider.property_mappings if (item := snapshot.get(TicketMapping, pk))}
    assert sorted(names.values()) == ["how", "who"]


async def test_a_mapping_that_cannot_be_evaluated_is_stored_with_advice(browser: Browser, tmp_path: Path) -> None:
    core = browser.house.core
    report = await apply_paths(
        [tmp_path / "notes.yaml"], editor=core.editor, registry=core.registry, environ={}, author="test", now=clock()
    )
    assert render(report).count("cannot be evaluated by this version") == 1


async def test_the_library_opens_the_address_of_the_provider(browser: Browser) -> None:
    await browser.get(LIBRARY)
    await browser.post(uid_field="ada")
    assert await browser.post(password=PASSWORD) == LIBRARY
    assert "/application/launch/notes/" in browser.page.body.decode()
    assert await browser.get("/application/launch/notes/") == ADDRESS


async def test_a_person_signs_on_with_what_the_mappings_say(browser: Browser) -> None:
    await browser.sign_in()
    to = await browser.post()
    assert to.startswith(f"{ADDRESS}?who=ada&ticket="), "the mapping that cannot be evaluated is left out"
    assert len(await browser.tickets()) == 1


async def test_what_ends_with_a_session_ends_with_it(browser: Browser) -> None:
    async def ended() -> int:
        query = "SELECT count(*) AS n FROM event WHERE app = 'ticket' AND action = 'custom_tickets_ended'"
        return int((await browser.house.core.database.fetch(query))[0]["n"])

    await browser.sign_in()
    assert await ended() == 0
    await browser.get("/if/flow/default-invalidation-flow/")
    assert await ended() == 1


async def test_two_protocols_do_not_answer_for_each_other(browser: Browser) -> None:
    await browser.house.application("wiki")
    await browser.house.sign_in("ada")
    assert await browser.get("/ticket/?application=wiki") == "/ticket/"
    assert browser.page.status == 400


async def test_without_the_room_nothing_of_it_is_known(tmp_path: Path) -> None:
    core = await open_core(load({"OSTIARY_DATA_DIR": str(tmp_path)}, default_file=None), environ={}, create=True)
    blueprint = tmp_path / "notes.yaml"
    blueprint.write_text(BLUEPRINT)
    report = await apply_paths(
        [blueprint], editor=core.editor, registry=core.registry, environ={}, author="test", now=clock()
    )
    await core.close()
    assert not report.ok
    assert "garden.ticketmapping" in str(report.files[0].error)
    assert BEGIN.startswith("/ticket/")
