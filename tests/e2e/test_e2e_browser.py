"""A real Chromium goes through wizard, sign-in, TOTP enrolment, consent and logout, with and without JavaScript."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from live import Server, setup_link, totp
from playwright.sync_api import Browser, BrowserContext, Page, expect

pytestmark = pytest.mark.browser

PASSWORD = "correct horse battery"
PAGE_LIMIT = 60_000  # bytes of everything one page loads


class Party(BaseHTTPRequestHandler):
    """The callback of a relying party on another origin: it only has to be reached."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Party</title><h1>Back at the party</h1>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def party() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Party)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def _sign_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("username").fill(name)
    page.locator("main button[type=submit]").click()
    page.get_by_label("Password", exact=True).fill(password)
    page.locator("main button[type=submit]").click()


def _scripts(page: Page) -> bool:
    try:
        return bool(page.evaluate("true"))
    except Exception:
        return False


def _audit(page: Page, *, scripted: bool) -> None:
    """axe finds no violation. It needs a page that runs scripts, so the other run leaves it to this one."""
    if scripted:
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


def test_wizard_login_and_logout(
    make_server: Callable[..., Server], context: BrowserContext, request: pytest.FixtureRequest
) -> None:
    scripted = "no-script" not in request.node.name
    server = make_server().start()
    page = context.new_page()
    page.goto(f"{server.url}/if/flow/initial-setup/")
    expect(page.get_by_text("setup-link").first).to_be_visible()
    page.goto(setup_link(server))
    _audit(page, scripted=scripted)
    page.locator("input[type=email]").fill("root@example.org")
    for field in page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    page.locator("main button[type=submit]").click()
    page.wait_for_url("**/if/user/")
    _audit(page, scripted=scripted)
    page.goto(f"{server.url}/flows/-/default/invalidation/")
    page.wait_for_load_state()
    page.goto(f"{server.url}/if/user/")
    page.wait_for_url("**/if/flow/default-authentication-flow/**")
    _audit(page, scripted=scripted)
    _sign_in(page, "akadmin", "wrong password")
    expect(page.locator("[aria-invalid=true]")).to_be_visible()
    _audit(page, scripted=scripted)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.locator("main button[type=submit]").click()
    page.wait_for_url("**/if/user/")


@pytest.fixture(scope="module")
def strict(make_server: Callable[..., Server], party: str) -> Server:
    """A server that demands a second factor and has one application that asks for consent."""
    server = make_server().start()
    blueprint = server.folder / "strict.yaml"
    blueprint.write_text(STRICT.replace("PARTY", party))
    server.cli("blueprint", "apply", str(blueprint))
    return server


STRICT = """
version: 1
metadata: {name: Strict}
entries:
  - model: authentik_stages_authenticator_validate.authenticatorvalidatestage
    identifiers: {name: default-authentication-mfa-validation}
    attrs:
      not_configured_action: configure
      device_classes: [totp, static]
      configuration_stages:
        - !Find [authentik_stages_authenticator_totp.authenticatortotpstage, [name, default-authenticator-totp-setup]]
        - !Find [authentik_stages_authenticator_static.authenticatorstaticstage, [name, default-authenticator-static-setup]]
  - model: authentik_providers_oauth2.oauth2provider
    id: provider
    identifiers: {name: Party}
    attrs:
      authorization_flow: !Find [authentik_flows.flow, [slug, default-provider-authorization-explicit-consent]]
      invalidation_flow: !Find [authentik_flows.flow, [slug, default-provider-invalidation-flow]]
      client_type: public
      client_id: party
      redirect_uris: [{matching_mode: strict, url: PARTY/callback}]
      signing_key: !Find [authentik_crypto.certificatekeypair, [name, authentik Self-signed Certificate]]
      property_mappings:
        - !Find [authentik_providers_oauth2.scopemapping, [scope_name, openid]]
        - !Find [authentik_providers_oauth2.scopemapping, [scope_name, profile]]
  - model: authentik_core.application
    identifiers: {slug: party}
    attrs: {name: The Party, provider: !KeyOf provider, meta_launch_url: PARTY/}
"""


def test_totp_enrolment_consent_and_the_way_back(
    strict: Server, context: BrowserContext, party: str, request: pytest.FixtureRequest
) -> None:
    scripted = "no-script" not in request.node.name
    name = "ada" if scripted else "bob"
    strict.add_user(name, PASSWORD)
    page = context.new_page()
    loaded: list[int] = []
    page.on("response", lambda answer: loaded.append(int(answer.headers.get("content-length", "0"))))
    query = {
        "client_id": "party",
        "response_type": "code",
        "redirect_uri": f"{party}/callback",
        "scope": "openid profile",
        "state": "opaque",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }
    page.goto(f"{strict.url}/application/o/authorize/?{urlencode(query)}")
    assert sum(loaded) < PAGE_LIMIT
    _sign_in(page, name, PASSWORD)
    _audit(page, scripted=scripted)
    page.locator("button[name=selected_stage]").first.click()
    secret = page.locator("#secret").get_attribute("data-text")
    assert secret
    _audit(page, scripted=scripted)
    page.get_by_label("Code", exact=True).fill(totp(secret))
    page.locator("main button[type=submit]").click()
    expect(page.get_by_role("button", name="Allow")).to_be_visible()
    _audit(page, scripted=scripted)
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_url(f"{party}/callback**")
    back = parse_qs(urlsplit(page.url).query)
    assert (back["error"], back["state"]) == (["access_denied"], ["opaque"])
    page.goto(f"{strict.url}/application/o/authorize/?{urlencode(query)}")
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url(f"{party}/callback**")
    back = parse_qs(urlsplit(page.url).query)
    assert back["state"] == ["opaque"]
    assert back["iss"] == [f"{strict.url}/application/o/party/"]
    assert len(back["code"][0]) >= 32
    page.goto(f"{strict.url}/if/user/")
    expect(page.get_by_role("link", name="The Party")).to_be_visible()
    _audit(page, scripted=scripted)


def test_no_page_runs_inline_script_or_loads_from_elsewhere(strict: Server, chromium: Browser) -> None:
    made = chromium.new_context(locale="de-DE", color_scheme="dark", viewport={"width": 390, "height": 844})
    page = made.new_page()
    complaints: list[str] = []
    hosts: set[str] = set()
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.on("request", lambda sent: hosts.add(urlsplit(sent.url).hostname or ""))
    page.goto(f"{strict.url}/if/user/")
    assert page.locator("html").get_attribute("lang") == "de"
    assert complaints == []
    assert hosts == {"localhost"}
    made.close()
