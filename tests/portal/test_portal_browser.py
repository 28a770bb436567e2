"""The pages in Chromium: no violation of axe, no error in the console, and what the script refines."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, sync_playwright
from portal_samples import ADDRESSES, PERSON, SampleHouse, sample, served

from ostiary.web.errors import HttpError

pytestmark = pytest.mark.browser

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def house() -> SampleHouse:
    return SampleHouse()


@pytest.fixture
def site(house: SampleHouse) -> Iterator[str]:
    with served(house) as address:
        yield address


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing(browser: Browser, site: str, scheme: Any, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    blocked: list[str] = []
    page.on("console", lambda message: blocked.append(message.text) if "Failed to load" not in message.text else None)
    page.on("pageerror", lambda error: blocked.append(str(error)))
    found = {}
    with served(SampleHouse(user=None, closed=False)) as fresh:
        for address in [*(site + path for path in ADDRESSES), fresh + "/"]:
            if address.endswith("/iframe-logout/"):  # its script would lead on in the middle of it
                page.route("**/*.js", lambda route: route.abort())
            page.goto(address)
            page.unroute_all()
            # axe itself is put into the page past its policy, as an extension would be.
            result = Axe().run(page, options={"resultTypes": ["violations"]})
            assert result.response["passes"], "axe did not run"
            if result.violations_count:
                found[address] = result.generate_report()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
    assert found == {}
    assert blocked == []


def test_the_script_swaps_the_card_and_keeps_the_place(browser: Browser, house: SampleHouse, site: str) -> None:
    house.engine.verdict = sample("wizard-wrong")
    page = browser.new_page()
    page.goto(site + "/if/flow/wizard-wrong/")
    page.evaluate("window.kept = true")
    page.fill("#field-email", "ada@example.org")
    page.fill("#field-password", "sesame")
    page.fill("#field-password_repeat", "sesame!")
    page.click("button[type=submit]")
    page.wait_for_url("**/?step=next")
    assert page.evaluate("window.kept") is True
    assert page.input_value("#field-email") == "ada@example.org"
    assert page.input_value("#field-password") == ""
    assert page.evaluate("document.activeElement.getAttribute('role')") == "alert"
    page.click(".with-button button >> nth=0")
    assert page.get_attribute("#field-password", "type") == "text"
    page.close()


@pytest.mark.parametrize("script", [True, False])
def test_a_flow_that_leaves_the_origin_does_so(browser: Browser, house: SampleHouse, site: str, script: bool) -> None:
    with served(SampleHouse(user=None)) as other:
        target = other.replace("localhost", "127.0.0.1") + "/robots.txt"
        context = browser.new_context(java_script_enabled=script)
        page = context.new_page()
        page.goto(site + "/if/flow/password/")
        page.fill("#field-password", "sesame")
        house.engine.leads["password"] = target
        page.click("button[type=submit]")
        page.wait_for_url(target)
        assert house.engine.answers[0][1]["password"] == "sesame"
        context.close()


@pytest.mark.parametrize("script", [True, False])
def test_the_pressed_button_is_what_counts(browser: Browser, house: SampleHouse, site: str, script: bool) -> None:
    context = browser.new_context(java_script_enabled=script)
    page = context.new_page()
    page.goto(site + "/if/flow/user-login/")
    page.click("button[value=true]")
    page.wait_for_url("**/?step=next")
    assert house.engine.answers == [
        ("user-login", {"component": "ak-stage-user-login", "remember_me": True}, "ticket-user-login")
    ]
    context.close()


FAILURES = {
    403: HttpError(403, "permission_denied"),
    408: HttpError(408, "body_timeout", "The request did not arrive in time."),
    413: HttpError(413, "too_large"),
    429: HttpError(429, "throttled", "Too many failed attempts.", headers=(("retry-after", "30"),)),
    500: ZeroDivisionError(),
    503: HttpError(503, "busy", headers=(("retry-after", "2"),)),
}


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("status", FAILURES)
def test_an_error_is_told_where_the_form_was(
    browser: Browser, house: SampleHouse, site: str, status: int, script: bool
) -> None:
    """A page that came for a form is shown, whatever its status, and leads back to the same step."""
    context = browser.new_context(java_script_enabled=script)
    page = context.new_page()
    page.goto(site + "/if/flow/password/?next=%2Fx")
    page.fill("#field-password", "sesame")
    house.engine.failure = FAILURES[status]
    page.click("button[type=submit]")
    page.wait_for_selector("text=/request [0-9a-f]{32}/")
    assert page.locator("#field-password").count() == 0
    if status == 429:
        assert page.locator("text=Try again in 30 seconds.").count() == 1
    if script:
        assert page.evaluate("document.activeElement.tagName") == "H1"
    house.engine.failure = None
    page.click("main a.button:has-text('Try again')")
    page.wait_for_selector("#field-password")
    assert page.url == site + "/if/flow/password/?next=%2Fx"
    context.close()


@pytest.mark.parametrize("script", [True, False])
def test_every_kind_of_field_is_sent(browser: Browser, house: SampleHouse, site: str, script: bool) -> None:
    house.engine.leads["after"] = "/"
    page = browser.new_context(java_script_enabled=script).new_page()
    page.goto(site + "/if/flow/kinds/")
    for name, value in {"username": "ada", "name": "Ada", "age": "36", "born": "1815-12-10"}.items():
        page.fill(f"#field-{name}", value)
    page.fill("#field-meet", "2026-02-01T09:30")
    page.select_option("#field-team", "blue")
    page.select_option("#field-locale", "de")
    page.check("input[name=size][value=l]")
    page.check("#field-terms")
    page.set_input_files("#field-picture", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"\r\nhi\r\n"})
    with page.expect_response(lambda response: response.request.method == "POST"):
        page.click("button[type=submit]")
    ((_, sent, _),) = house.engine.answers
    assert sent == {
        "component": "ak-stage-prompt",
        "username": "ada", "name": "Ada", "about": "", "age": "36", "locale": "de", "born": "1815-12-10",
        "meet": "2026-02-01T09:30", "picture": "data:text/plain;base64,DQpoaQ0K", "house": "No shoes.\r\nNo smoke.",
        "team": "blue", "size": "l", "fixed": "4711", "hidden": "1", "terms": True,
    }  # fmt: skip
    page.context.close()


def test_the_error_page_of_a_proxy_is_shown(browser: Browser, site: str) -> None:
    pages = {
        "text/html": "<html><title>502</title><center><h1>502 Bad Gateway</h1></center>",
        "text/plain": "upstream <b>down</b>",
    }
    page = browser.new_page()
    for kind, text in pages.items():
        page.goto(site + "/if/flow/password/")
        page.fill("#field-password", "sesame")
        page.route("**/*", partial(_answered, kind, text))
        page.click("button[type=submit]")
        page.wait_for_selector("text=502 Bad Gateway" if kind == "text/html" else "text=upstream <b>down</b>")
        page.unroute_all()
    page.close()


def test_a_form_that_cannot_be_sent_is_told_by_the_browser(browser: Browser, house: SampleHouse, site: str) -> None:
    page = browser.new_page()
    page.goto(site + "/if/flow/user-login/")
    sent: list[str | None] = []

    def once(route: Route) -> None:
        if _posts(route):
            sent.append(route.request.post_data)
        route.abort("connectionrefused") if _posts(route) and len(sent) == 1 else route.continue_()

    page.route("**/*", once)
    page.click("button[value=true]")
    page.wait_for_url("**/?step=next")
    assert len(sent) == 2
    assert all("remember_me=true" in (data or "") for data in sent)
    assert len(house.engine.answers) == 1
    page.close()


def _answered(kind: str, text: str, route: Route) -> None:
    if _posts(route):
        route.fulfill(status=502, headers={"content-type": kind}, body=text)
    else:
        route.continue_()


def _posts(route: Route) -> bool:
    return route.request.method == "POST"


def test_back_stays_in_the_flow(browser: Browser, house: SampleHouse, site: str) -> None:
    page = browser.new_page()
    page.goto(site + "/robots.txt")
    page.goto(site + "/if/flow/identification/")
    page.fill("#field-uid_field", "ada")
    house.engine.shows["identification"] = "password"
    page.click("button[type=submit]")
    page.wait_for_selector("#field-password")
    page.fill("#field-password", "wrong")
    house.engine.shows["identification"] = "password-wrong"
    page.click("button[type=submit]")  # the same step again is no place of its own
    page.wait_for_selector("#field-password-error")
    page.go_back(wait_until="commit")
    page.wait_for_url("**/flows/-/cancel/")
    house.engine.shows["identification"] = "totp"
    page.goto(site + "/if/flow/identification/")
    house.engine.shows["identification"] = "user-login"
    page.fill("#field-code", "123456")
    page.click("button[type=submit]")
    page.wait_for_selector("button[value=true]")
    with page.expect_request(site + "/if/flow/identification/"):
        page.go_back(wait_until="commit")
    page.wait_for_selector("button[value=true]")
    page.close()


@pytest.mark.parametrize("broken", [True, False])
def test_pictures_that_do_not_come_make_way(browser: Browser, house: SampleHouse, site: str, broken: bool) -> None:
    pixel = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    house.snapshot.objects[0] = dataclasses.replace(house.snapshot.objects[0], branding_logo="/media/logo.png")
    house.snapshot.objects[1] = dataclasses.replace(house.snapshot.objects[1], meta_icon="/media/icon.png")
    page = browser.new_page()
    answer = {"status": 404} if broken else {"status": 200, "content_type": "image/png", "body": pixel}
    page.route("**/media/*", lambda route: route.fulfill(**answer))
    page.goto(site + "/if/flow/user-login/")  # gives the cookie
    page.goto(site + "/if/user/")
    page.wait_for_selector(".brand .mark:visible" if broken else ".brand .logo")
    assert page.locator(".app").count() > 2
    assert page.locator("header .logo").count() == (0 if broken else 1)
    assert page.locator("main img.icon").count() == (0 if broken else 1)
    assert page.locator(".letter:visible").count() == page.locator(".app").count() - (0 if broken else 1)
    house.engine.override["password"] = {**PERSON, "pending_user_avatar": "/media/ada.png"}
    page.goto(site + "/if/flow/password/")
    page.wait_for_selector("span.avatar:visible" if broken else "img.avatar")
    assert page.locator("span.avatar:visible").count() == (1 if broken else 0)
    page.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_the_card_keeps_its_place(browser: Browser, site: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    places = set()
    for name in ("identification", "password", "password-wrong", "validate", "user-login", "consent"):
        page.goto(f"{site}/if/flow/{name}/")
        box = page.locator("main.card").bounding_box()
        assert box is not None
        places.add(round(box["y"]))
    assert len(places) == 1
    page.close()


def test_the_button_beside_a_password_says_what_it_does(browser: Browser, site: str) -> None:
    page = browser.new_page()
    page.goto(site + "/if/flow/password/")
    for label, kind in (("Show password", "password"), ("Hide password", "text"), ("Show password", "password")):
        assert page.get_attribute("[data-reveal]", "aria-label") == label
        assert page.get_attribute("#field-password", "type") == kind
        assert label.startswith(page.inner_text("[data-reveal]"))
        page.click("[data-reveal]")
    page.close()


def test_a_double_click_sends_once(browser: Browser, house: SampleHouse, site: str) -> None:
    page = browser.new_page()
    page.goto(site + "/if/flow/static/")
    page.dblclick("button[type=submit]")
    page.wait_for_url("**/?step=next")
    assert len(house.engine.answers) == 1
    page.close()


def test_codes_are_copied(browser: Browser, site: str) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page: Page = context.new_page()
    page.goto(site + "/if/flow/static/")
    page.click("[data-copy]")
    page.wait_for_selector("text=Copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith("k7fm2qpx9rta\nw3hn8ybc4dve\n")
    context.close()


@pytest.mark.parametrize("script", [True, False])
def test_a29_a_page_posts_itself_across_origins(browser: Browser, house: SampleHouse, site: str, script: bool) -> None:
    with served(SampleHouse(user=None)) as other:
        target = other.replace("localhost", "127.0.0.1") + "/if/flow/password/"
        house.engine.override = {"autosubmit": {"url": target, "attrs": {"code": "1"}, "title": ""}}
        context = browser.new_context(java_script_enabled=script)
        page = context.new_page()
        with page.expect_request(lambda request: request.url == target) as posted:
            page.goto(site + "/if/flow/autosubmit/")
            if not script:
                page.click("button")
        assert posted.value.method == "POST"
        assert posted.value.post_data == "code=1"
        context.close()
