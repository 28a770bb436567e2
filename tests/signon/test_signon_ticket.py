"""A second protocol signs a person on through the whole program: page after page, as a browser does it."""

from __future__ import annotations

import html
import re
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

sys.path[:0] = [str(Path(__file__).parents[1] / name) for name in ("attacks", "signon")]

import signon_ticket  # noqa: E402
from attacks_house import LOGIN, PASSWORD, Answer, House  # noqa: E402 - the folders are on the path now
from signon_ticket import ticket_endpoint  # noqa: E402

from ostiary.app.core import clock, open_core  # noqa: E402
from ostiary.app.metrics import Metrics  # noqa: E402
from ostiary.app.rooms import ROOMS  # noqa: E402
from ostiary.app.site import build_site  # noqa: E402
from ostiary.room import Room  # noqa: E402
from ostiary.settings.load import load  # noqa: E402
from ostiary.signon.services import Services  # noqa: E402
from ostiary.store.workspace.editor import Workspace  # noqa: E402
from ostiary.web.router import Route  # noqa: E402

BEGIN = "/ticket/?application=notes"
ASKING = "default-provider-authorization-explicit-consent"
FIELD = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)"')
ACTION = re.compile(r'<form method="post" action="([^"]*)"')
REFRESH = re.compile(r'http-equiv="refresh" content="0; url=([^"]*)"')

TICKET = Room(
    name="ticket",
    routes=lambda services: [Route("GET", "/ticket/", ticket_endpoint(services[Services]).answer, "ticket")],
    endpoints=lambda services: [ticket_endpoint(services[Services])],
)


@dataclass
class Browser:
    """One browser, page after page."""

    house: House
    page: Answer = field(default_factory=lambda: Answer(0, [], b""))

    async def get(self, url: str) -> str:
        """Follow redirects, and pages that lead on, to a page; return its path, or the first address not of ours."""
        self.page = await self.house.call("GET", url)
        return await self.follow(url)

    async def follow(self, url: str) -> str:
        onward = REFRESH.search(self.page.body.decode())
        to = self.page.header("location") or (html.unescape(onward[1]) if onward is not None else None)
        if to is None:
            return url.partition("?")[0]
        return await self.get(to) if to.startswith("/") else to

    async def post(self, **typed: str) -> str:
        """Fill in the form of the page; return where it leads."""
        text = self.page.body.decode()
        action = ACTION.search(text)
        assert action is not None, text
        hidden = {html.unescape(name): html.unescape(value) for name, value in FIELD.findall(text)}
        url = html.unescape(action[1])
        self.page = await self.house.call("POST", url, form={**hidden, **typed})
        return await self.follow(url)

    async def sign_in(self) -> str:
        assert await self.get(BEGIN) == f"/if/flow/{LOGIN}/"
        await self.post(uid_field="ada")
        return await self.post(password=PASSWORD)

    async def tickets(self) -> Sequence[str]:
        """Return the tickets that were stored."""
        rows = await self.house.core.database.fetch("SELECT context FROM event WHERE app = 'ticket'")
        return [found for row in rows for found in re.findall(r'"id": ?"([0-9a-f]+)"', str(row["context"]))]


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    settings = load({"OSTIARY_DATA_DIR": str(tmp_path / "data"), "OSTIARY_HOSTS": "id.example.org"})
    core = await open_core(settings, environ={}, create=True, rooms=(*ROOMS, TICKET))
    metrics = Metrics(version="test")
    opened = House(core, build_site(core, metrics), metrics)
    await opened.user("ada")

    async def work(workspace: Workspace) -> None:
        values: dict[str, Any] = {"name": "Notes", "slug": "notes", "meta_launch_url": "https://notes.example.org/in"}
        await workspace.create("authentik_core.application", values)

    await opened.core.editor.edit(work, author="test", message="", now=clock())
    yield Browser(opened)
    await opened.close()


async def test_a_person_signs_on(browser: Browser) -> None:
    assert await browser.sign_in() == f"/if/flow/{ASKING}/"
    assert "Notes" in browser.page.body.decode(), "the page of consent names the application"
    to = await browser.post()
    assert to.startswith("https://notes.example.org/in?ticket="), "by the answer that ends the flow"
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
    assert (await browser.get(ended.json()["to"])).startswith("https://notes.example.org/in?ticket=")
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
    monkeypatch.setattr(signon_ticket, "require_access", lambda context, _facts: forgotten(context))
    await browser.post()
    assert browser.page.status == 500
    assert await browser.tickets() == []


async def test_an_application_that_is_unknown(browser: Browser) -> None:
    assert await browser.get("/ticket/?application=other") == "/ticket/"
    assert browser.page.status == 400


def test_the_protocol_is_small() -> None:
    assert len(Path(__file__).with_name("signon_ticket.py").read_text().splitlines()) < 60
