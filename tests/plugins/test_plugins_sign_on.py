"""A second protocol signs a person on through the whole program: page after page, as a browser does it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import garden.ticket
import pytest
from plugins_browser import BEGIN, LOGIN, PASSWORD, Browser, open_browser

from ostiary.app.core import clock
from ostiary.store.workspace.editor import Workspace

ASKING = "default-provider-authorization-explicit-consent"


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    opened = await open_browser(tmp_path)
    yield opened
    await opened.house.close()


async def test_a_person_signs_on(browser: Browser) -> None:
    assert await browser.sign_in() == f"/if/flow/{ASKING}/"
    assert "Notes" in browser.page.body.decode(), "the page of consent names the application"
    to = await browser.post()
    assert to.startswith("https://notes.example.org/in?who=ada&ticket="), "by the answer that ends the flow"
    assert await browser.tickets() == [to.rpartition("=")[2]]


async def test_who_is_signed_in_and_has_allowed_it_is_not_asked_again(browser: Browser) -> None:
    await browser.sign_in()
    first = await browser.post()
    second = await browser.get(BEGIN)
    assert sorted(await browser.tickets()) == sorted(one.rpartition("=")[2] for one in (first, second))


async def test_no_ticket_without_consent(browser: Browser) -> None:
    await browser.sign_in()
    assert await browser.get(f"{BEGIN}&ostiary_return=authorize") == f"/if/flow/{ASKING}/", "the address proves nothing"
    assert await browser.post(deny="true") == "/ticket/"
    assert browser.page.status == 403
    assert "You did not allow it." in browser.page.body.decode()
    assert await browser.tickets() == []


async def test_a_program_brings_the_request_with_the_proof_of_its_flow(browser: Browser) -> None:
    house = browser.house
    await browser.sign_in()
    query = f"next={quote('/ticket/?application=notes&ostiary_return=authorize')}"
    shown = await house.flow(ASKING, query)
    moved = await house.reply(ASKING, query, token=shown["token"])
    ended = await house.call("GET", moved.header("location") or "")
    assert await browser.tickets() == []
    assert (await browser.get(ended.json()["to"])).startswith("https://notes.example.org/in?who=ada&ticket=")
    assert len(await browser.tickets()) == 1


async def test_the_policies_of_the_application_refuse(browser: Browser) -> None:
    eve = await browser.house.user("eve")

    async def work(workspace: Workspace) -> None:
        application = await workspace.find("authentik_core.application", [("slug", "notes")])
        assert application is not None
        await workspace.create("authentik_policies.policybinding", {"target": application.pk, "user": eve, "order": 0})

    await browser.house.core.editor.edit(work, author="test", message="", now=clock())
    assert await browser.sign_in() == "/ticket/"
    assert "Notes" in browser.page.body.decode()
    assert "ada" in browser.page.body.decode(), "whose account it is that has no access"
    assert await browser.tickets() == []


async def test_a_sign_in_whose_cookie_is_lost_begins_again_for_the_same(browser: Browser) -> None:
    assert await browser.get(BEGIN) == f"/if/flow/{LOGIN}/"
    at = (await browser.house.call("GET", BEGIN)).header("location") or ""
    browser.house.cookies.clear()
    assert await browser.get(at) == f"/if/flow/{LOGIN}/"
    await browser.post(uid_field="ada")
    assert await browser.post(password=PASSWORD) == f"/if/flow/{ASKING}/", "by the answer that ends the sign-in"


async def test_somebody_else_may_sign_in(browser: Browser) -> None:
    await browser.sign_in()
    await browser.post()
    assert await browser.get(f"{BEGIN}&ostiary_return=another") == f"/if/flow/{LOGIN}/"


async def test_nothing_is_stored_for_a_protocol_that_asks_no_policies(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forgotten(_context: object) -> None:
        return None

    await browser.sign_in()
    monkeypatch.setattr(garden.ticket, "require_access", lambda context, _facts: forgotten(context))
    await browser.post()
    assert browser.page.status == 500
    assert await browser.tickets() == []


async def test_an_application_that_is_unknown(browser: Browser) -> None:
    assert await browser.get("/ticket/?application=other") == "/ticket/"
    assert browser.page.status == 400


def test_the_protocol_is_small() -> None:
    assert len(Path(garden.ticket.__file__).read_text().splitlines()) < 60
