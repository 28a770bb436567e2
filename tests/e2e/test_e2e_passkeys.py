"""Passkeys in a real Chromium, whose authenticator is a virtual one: made, used, refused, cancelled."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from live import Make, Server
from playwright.sync_api import Browser, CDPSession, Page, expect

pytestmark = pytest.mark.browser

EXAMPLE = Path(__file__).parents[2] / "examples" / "passwordless" / "blueprint.yaml"
PASSWORD = "correct horse battery"
HOME = re.compile(r"^[^?]+/if/user/$")
SETUP = "/if/flow/default-authenticator-webauthn-setup/"


class VirtualKey:
    """The virtual authenticator of one page (CDP, domain WebAuthn)."""

    def __init__(self, page: Page, **options: object) -> None:
        self._cdp: CDPSession = page.context.new_cdp_session(page)
        self._cdp.send("WebAuthn.enable", {"enableUI": False})
        usual = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        made = self._cdp.send("WebAuthn.addVirtualAuthenticator", {"options": {**usual, **options}})
        self._id = made["authenticatorId"]

    def _send(self, method: str, **parameters: object) -> Any:
        return self._cdp.send(f"WebAuthn.{method}", {"authenticatorId": self._id, **parameters})

    def credential(self) -> dict[str, Any]:
        (one,) = self._send("getCredentials")["credentials"]
        return dict(one)

    def take(self, credential: dict[str, Any]) -> None:
        self._send("addCredential", credential=credential)

    def present(self) -> None:
        self._send("setAutomaticPresenceSimulation", enabled=True)

    def lose(self) -> None:
        self._send("clearCredentials")

    def verified(self, *, yes: bool) -> None:
        self._send("setUserVerified", isUserVerified=yes)


def with_people(server: Server) -> Server:
    """Add them by one command: on a busy machine each takes seconds."""
    people = [
        {
            "model": "authentik_core.user",
            "identifiers": {"username": name},
            "attrs": {"name": name, "password": PASSWORD},
        }
        for name in ("mia", "max", "eve", "ida", "una", "ula")
    ]
    file = server.folder / "people.yaml"
    file.write_text(json.dumps({"version": 1, "metadata": {"name": "people"}, "entries": people}))
    server.cli("blueprint", "apply", str(file))
    return server


@pytest.fixture(scope="module")
def house(make_server: Make) -> Server:
    return with_people(make_server().start())


@pytest.fixture(scope="module")
def passwordless(make_server: Make) -> Server:
    server: Server = make_server().start()
    server.cli("blueprint", "apply", str(EXAMPLE))
    assert "no changes" in server.cli("blueprint", "apply", str(EXAMPLE)).stdout
    return with_people(server)


@pytest.fixture(params=[390, 1280])
def page(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": request.param, "height": 800}, locale="en-GB")
    yield context.new_page()
    context.close()


@pytest.fixture
def narrow(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 390, "height": 800}, locale="en-GB")
    yield context.new_page()
    context.close()


def looked_at(page: Page, name: str) -> None:
    """Nothing is wrong with the page for anybody who cannot see it; pictures are kept where a folder is named."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    if folder := os.environ.get("OSTIARY_TEST_PICTURES"):
        assert page.viewport_size is not None
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            page.screenshot(path=f"{folder}/{name}-{page.viewport_size['width']}-{theme}.png")
        page.emulate_media(color_scheme="light")


def submit(page: Page) -> None:
    page.locator("main button[type=submit]").click()


def type_password(page: Page, house: Server, name: str) -> None:
    page.goto(f"{house.url}/if/flow/default-authentication-flow/?next=/if/user/")
    page.get_by_label("username").fill(name)
    submit(page)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    submit(page)


def make_passkey(page: Page, house: Server, name: str, called: str = "") -> None:
    type_password(page, house, name)
    page.wait_for_url(HOME)
    expect(page.get_by_role("link", name="Set up: Recovery codes")).to_have_count(0)  # not as the only factor
    page.get_by_role("link", name="Set up: Passkey").click()
    expect(page.get_by_role("heading", name="Add a passkey")).to_be_visible()
    if called:
        page.get_by_label("Name").fill(called)
    looked_at(page, "passkey-add")
    page.get_by_role("button", name="Make a passkey").click()
    page.wait_for_url(HOME)


def sign_out(page: Page) -> None:
    page.context.clear_cookies()


def who(page: Page, house: Server) -> str:
    answer: dict[str, Any] = page.context.request.get(f"{house.url}/api/v3/core/users/me/").json()
    return str(answer["user"]["username"])


def test_made_and_asked_for_after_the_password(house: Server, page: Page) -> None:
    name = "mia" if page.viewport_size == {"width": 390, "height": 800} else "max"
    VirtualKey(page)
    make_passkey(page, house, name, "My laptop")
    expect(page.get_by_text("My laptop")).to_be_visible()
    expect(page.get_by_role("link", name="Set up: Recovery codes")).to_be_visible()
    expect(page.get_by_role("link", name="Passkey", exact=True)).to_be_visible()  # another one
    looked_at(page, "passkey-library")
    sign_out(page)
    type_password(page, house, name)
    page.wait_for_url(HOME)
    assert who(page, house) == name


def test_a_key_that_is_lost_or_a_copy_is_told_so(house: Server, page: Page) -> None:
    name = "eve" if page.viewport_size == {"width": 390, "height": 800} else "ida"
    key = VirtualKey(page)
    make_passkey(page, house, name)
    ours = key.credential()
    sign_out(page)
    key.lose()
    type_password(page, house, name)
    expect(page.get_by_role("heading", name="Use your passkey")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("it was cancelled, or took too long")
    looked_at(page, "passkey-cancelled")
    key.take({**ours, "signCount": 0})
    page.get_by_role("button", name="Ask again").click()
    expect(page.get_by_text("This passkey seems to be a copy")).to_be_visible()
    looked_at(page, "passkey-copy")
    assert "suspicious_request" in house.cli("events", "--action", "suspicious_request", "--json").stdout
    key.lose()
    key.take({**ours, "signCount": 41})
    page.get_by_role("button", name="Ask again").click()
    page.wait_for_url(HOME)
    assert who(page, house) == name


def test_without_scripts_the_page_says_what_else_there_is(house: Server, chromium: Browser, narrow: Page) -> None:
    VirtualKey(narrow)
    make_passkey(narrow, house, "una")
    plain = chromium.new_context(java_script_enabled=False, locale="en-GB", viewport={"width": 390, "height": 800})
    page = plain.new_page()
    type_password(page, house, "una")
    expect(page.get_by_text("Passkeys need JavaScript. Switch it on, or use another way.")).to_be_visible()
    expect(page.get_by_role("link", name="Cancel")).to_be_visible()
    expect(page.get_by_role("button", name="Ask again")).to_have_count(0)
    page.close()
    plain.close()


def test_a_browser_without_passkeys_is_told_so(house: Server, narrow: Page) -> None:
    narrow.add_init_script("delete window.PublicKeyCredential")
    type_password(narrow, house, "ula")
    narrow.wait_for_url(HOME)
    narrow.goto(f"{house.url}{SETUP}")
    expect(narrow.get_by_role("alert")).to_contain_text("This browser cannot use passkeys here")
    expect(narrow.get_by_role("button", name="Make a passkey")).to_have_count(0)
    looked_at(narrow, "passkey-unsupported")


class TestAlone:
    """The example, with the passkeys that it asks for."""

    def test_a_passkey_in_the_field_of_the_name(self, passwordless: Server, page: Page) -> None:
        name = "mia" if page.viewport_size == {"width": 390, "height": 800} else "max"
        key = VirtualKey(page, automaticPresenceSimulation=False)
        type_password(page, passwordless, name)
        page.wait_for_url(HOME)
        key.present()
        page.goto(f"{passwordless.url}{SETUP}?next=/if/user/")
        page.get_by_role("button", name="Make a passkey").click()
        page.wait_for_url(HOME)
        sign_out(page)
        page.goto(f"{passwordless.url}/if/flow/default-authentication-flow/?next=/if/user/")
        page.wait_for_url(HOME)  # the browser offers the passkey, and the virtual authenticator takes it
        assert who(page, passwordless) == name

    def test_the_first_page_and_its_button(self, passwordless: Server, page: Page) -> None:
        VirtualKey(page)
        page.goto(f"{passwordless.url}/if/flow/default-authentication-flow/?next=/if/user/")
        expect(page.get_by_role("button", name="Use a passkey")).to_be_visible()
        looked_at(page, "passkey-first-page")
        page.get_by_role("button", name="Use a passkey").click()
        expect(page.get_by_role("alert")).to_contain_text("it was cancelled, or took too long")
        looked_at(page, "passkey-first-page-cancelled")

    def test_a_flow_that_begins_with_a_passkey(self, passwordless: Server, page: Page) -> None:
        name = "eve" if page.viewport_size == {"width": 390, "height": 800} else "ida"
        key = VirtualKey(page)
        type_password(page, passwordless, name)
        page.wait_for_url(HOME)
        page.goto(f"{passwordless.url}{SETUP}?next=/if/user/")
        page.get_by_role("button", name="Make a passkey").click()
        page.wait_for_url(HOME)
        ours = key.credential()
        assert ours["isResidentCredential"]
        sign_out(page)
        key.lose()
        page.goto(f"{passwordless.url}/if/flow/passwordless/?next=/if/user/")
        expect(page.get_by_role("alert")).to_contain_text("it was cancelled, or took too long")
        looked_at(page, "passkey-alone")
        key.take({**ours, "signCount": 41})
        page.get_by_role("button", name="Ask again").click()
        page.wait_for_url(HOME)
        assert who(page, passwordless) == name

    def test_nobody_is_signed_in_who_was_not_verified(self, passwordless: Server, narrow: Page) -> None:
        key = VirtualKey(narrow)
        type_password(narrow, passwordless, "una")
        narrow.wait_for_url(HOME)
        narrow.goto(f"{passwordless.url}{SETUP}?next=/if/user/")
        narrow.get_by_role("button", name="Make a passkey").click()
        narrow.wait_for_url(HOME)
        sign_out(narrow)
        key.verified(yes=False)
        narrow.goto(f"{passwordless.url}/if/flow/passwordless/?next=/if/user/")
        expect(narrow.get_by_role("alert")).to_contain_text("it was cancelled, or took too long")
