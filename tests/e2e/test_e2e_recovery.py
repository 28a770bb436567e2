"""Recovery by mail with a real browser: from "Forgot your password?" by the message that arrived to signed in."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from live import Make, Server
from playwright.sync_api import Browser, Page, expect
from support.mail_server import ADDRESS, MailServer, mail_server
from support.waiting import wait_until

pytestmark = pytest.mark.browser

EXAMPLE = Path(__file__).parents[2] / "examples" / "recovery-by-mail" / "blueprint.yaml"
PASSWORD = "correct horse battery"
NEW_PASSWORD = "a horse of another colour"


@pytest.fixture(scope="module")
def mail() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


@pytest.fixture(scope="module")
def house(make_server: Make, mail: MailServer) -> Server:
    settings = {"HOST": ADDRESS, "PORT": str(mail.port), "FROM": "The House <door@house.example>"}
    server: Server = make_server(**{f"OSTIARY_EMAIL__{name}": value for name, value in settings.items()}).start()
    server.cli("blueprint", "apply", str(EXAMPLE))
    assert "no changes" in server.cli("blueprint", "apply", str(EXAMPLE)).stdout
    for name in ("mia", "max"):
        server.add_user(name, PASSWORD)
    return server


def link_in(mail: MailServer, address: str) -> str:
    """The link of the message that arrived there last."""
    wait_until(lambda: address in mail.recipients, what="the message did not arrive")
    message = next(one for one in reversed(mail.accepted) if one["to"] == address)
    body = message.get_body(("plain",))
    assert body is not None
    found = re.search(r"http\S+flow_token=\S+", body.get_content())
    assert found, body.get_content()
    return found.group()


def looked_at(page: Page, name: str) -> None:
    """Nothing is wrong with the page for anybody who cannot see it; its picture is kept where a folder is named."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    if folder := os.environ.get("OSTIARY_TEST_PICTURES"):
        assert page.viewport_size is not None
        page.screenshot(path=f"{folder}/{name}-{page.viewport_size['width']}.png")


def submit(page: Page) -> None:
    page.locator("main button[type=submit]").click()


@pytest.mark.parametrize(("name", "width"), [("mia", 390), ("max", 1280)])
def test_from_a_forgotten_password_to_signed_in(
    house: Server, mail: MailServer, chromium: Browser, name: str, width: int
) -> None:
    asking = chromium.new_context(viewport={"width": width, "height": 800}, locale="en-GB")
    page = asking.new_page()
    page.goto(f"{house.url}/if/user/")
    page.get_by_label("username").fill(name)
    submit(page)
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("username").fill(name)
    submit(page)
    expect(page.get_by_text("a message with a link is on its way")).to_be_visible()
    looked_at(page, "sent")
    page.get_by_role("button", name="Send it again").click()
    expect(page.get_by_role("status")).to_contain_text("another message is on its way")
    looked_at(page, "sent-again")

    link = link_in(mail, f"{name}@example.org")
    reading = chromium.new_context(viewport={"width": width, "height": 800}, locale="en-GB")
    page = reading.new_page()
    page.goto(link)
    expect(page.get_by_text(f"This link is for the account {name}.")).to_be_visible()
    looked_at(page, "link")
    submit(page)
    page.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
    page.get_by_label("New password (repeat)").fill(NEW_PASSWORD)
    looked_at(page, "new-password")
    submit(page)
    page.wait_for_url(re.compile(r"/if/user/|/$"))
    assert reading.request.get(f"{house.url}/api/v3/core/users/me/").json()["user"]["username"] == name

    again = asking.new_page()
    again.goto(link)
    expect(again.get_by_role("heading", name="This link does not work")).to_be_visible()
    looked_at(again, "used")
    again.get_by_role("link", name="Ask for a new link").click()
    expect(again.get_by_role("button", name="Send it again")).to_be_visible()  # this browser asked before
    assert "flow_token" not in house.log()
    asking.close()
    reading.close()
