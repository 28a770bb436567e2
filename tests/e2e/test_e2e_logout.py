"""Sign-out as applications live it: a real browser, a real party on another origin, both channels, the session iframe."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2 as httpx
import pytest
from joserfc import jws, jwt
from joserfc.jwk import KeySet
from live import Person, Server
from playwright.sync_api import Browser, BrowserContext, Page, expect
from support.waiting import wait_until

pytestmark = pytest.mark.browser

PASSWORD = "correct horse battery"
WATCHER = """<!doctype html><title>waiting</title><iframe src="%s"></iframe><script>
const state = new URLSearchParams(location.search).get("state");
addEventListener("message", (event) => { document.title = event.data; });
setInterval(() => frames[0].postMessage("front " + state, "%s"), 200);
</script>"""


@dataclass
class Party:
    """An application: its addresses answer, and remember who came."""

    server: ThreadingHTTPServer
    issuer: str = ""
    fronted: list[dict[str, list[str]]] = field(default_factory=list)
    posted: list[str] = field(default_factory=list)
    refuse: int = 0  # how many notices are answered 503

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    party: Party

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        page = "<!doctype html><title>Party</title><h1>Back at the party</h1>"
        if parts.path == "/front":
            self.party.fronted.append(parse_qs(parts.query))
        if parts.path == "/watch":
            page = WATCHER % (f"{self.party.issuer}/application/o/front/check-session/", self.party.issuer)
        self._say(200, page.encode())

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        if self.party.refuse:
            self.party.refuse -= 1
            self._say(503, b"")
            return
        self.party.posted.extend(form["logout_token"])
        self._say(200, b"")

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def party() -> Iterator[Party]:
    class PartyHandler(Handler):
        """Its party is its own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), PartyHandler)
    PartyHandler.party = Party(server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield PartyHandler.party
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def house(make_server: Callable[..., Server], new_storage: Callable[[], dict[str, str]], party: Party) -> Server:
    server = make_server(**new_storage()).start()
    party.issuer = server.url
    entries: list[dict[str, object]] = []
    for name, method in (("front", "frontchannel"), ("back", "backchannel")):
        attrs = {
            "authorization_flow": "@silent@",
            "invalidation_flow": "@leave@",
            "client_id": name,
            "client_secret": f"{name}-secret-for-tests",
            "redirect_uris": [{"matching_mode": "strict", "url": f"{party.url}/cb"}],
            "post_logout_redirect_uris": [{"matching_mode": "strict", "url": f"{party.url}/bye"}],
            "logout_uri": f"{party.url}/{name}",
            "logout_method": method,
            "signing_key": "@key@",
            "property_mappings": ["@openid@"],
        }
        model = "authentik_providers_oauth2.oauth2provider"
        entries.append({"model": model, "id": name, "identifiers": {"name": name}, "attrs": attrs})
        application = {"name": name.title(), "provider": f"@of {name}@"}
        entries.append({"model": "authentik_core.application", "identifiers": {"slug": name}, "attrs": application})
    text = json.dumps({"version": 1, "metadata": {"name": "logout"}, "entries": entries})
    for mark, tag in (
        ("silent", "!Find [authentik_flows.flow, [slug, default-provider-authorization-implicit-consent]]"),
        ("leave", "!Find [authentik_flows.flow, [slug, default-provider-invalidation-flow]]"),
        ("key", "!Find [authentik_crypto.certificatekeypair, [name, authentik Self-signed Certificate]]"),
        ("openid", "!Find [authentik_providers_oauth2.scopemapping, [scope_name, openid]]"),
        ("of front", "!KeyOf front"),
        ("of back", "!KeyOf back"),
    ):
        text = text.replace(f'"@{mark}@"', tag)
    path = server.folder / "logout.yaml"
    path.write_text(text)
    server.cli("blueprint", "apply", str(path))
    server.add_user("ada", PASSWORD)
    return server


def authorize(house: Server, party: Party, name: str, **more: str) -> str:
    query = {"client_id": name, "redirect_uri": f"{party.url}/cb", "response_type": "code", "scope": "openid", **more}
    return f"{house.url}/application/o/authorize/?{urlencode(query)}"


def sign_in(page: Page, house: Server, party: Party, name: str) -> dict[str, str]:
    """Go to the application and sign in where it is asked; return its tokens and its session_state."""
    page.goto(authorize(house, party, name))
    if "/if/flow/" in page.url:
        page.get_by_label("username").fill("ada")
        page.locator("main button[type=submit]").click()
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.locator("main button[type=submit]").click()
    page.wait_for_url(f"{party.url}/cb*")
    answer = {key: values[0] for key, values in parse_qs(urlsplit(page.url).query).items()}
    form = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": f"{party.url}/cb"}
    secret = (name, f"{name}-secret-for-tests")
    tokens = httpx.post(f"{house.url}/application/o/token/", data=form, auth=secret).json()
    return {**tokens, "session_state": answer["session_state"]}


def active(house: Server, name: str, token: str) -> bool:
    secret = (name, f"{name}-secret-for-tests")
    return bool(
        httpx.post(f"{house.url}/application/o/introspect/", data={"token": token}, auth=secret).json()["active"]
    )


def test_one_sign_out_reaches_everybody(house: Server, party: Party, context: BrowserContext) -> None:
    party.fronted.clear()
    party.posted.clear()
    party.refuse = 1
    page = context.new_page()
    front, back = sign_in(page, house, party, "front"), sign_in(page, house, party, "back")
    query = {"id_token_hint": front["id_token"], "post_logout_redirect_uri": f"{party.url}/bye", "state": "xyz"}
    page.goto(f"{house.url}/application/o/front/end-session/?{urlencode(query)}")
    page.wait_for_url(f"{party.url}/bye?state=xyz")
    assert not active(house, "front", front["access_token"])
    assert not active(house, "back", back["access_token"])
    (seen,) = party.fronted
    assert seen["iss"] == [f"{house.url}/application/o/front/"]
    keys = KeySet.import_key_set(httpx.get(f"{house.url}/application/o/back/jwks/").json())
    wait_until(lambda: seen["sid"][0] in {read(token, keys)["sid"] for token in party.posted})  # others may come late
    claims = next(one for token in party.posted if (one := read(token, keys))["sid"] == seen["sid"][0])
    assert (claims["iss"], claims["aud"]) == (f"{house.url}/application/o/back/", "back")


def read(token: str, keys: KeySet) -> dict[str, object]:
    assert jws.extract_compact(token.encode()).headers()["typ"] == "logout+jwt"
    return dict(jwt.decode(token, keys, algorithms=["RS256"]).claims)


def test_without_a_hint_the_person_is_asked(house: Server, party: Party, context: BrowserContext) -> None:
    page = context.new_page()
    tokens = sign_in(page, house, party, "back")
    address = f"{house.url}/application/o/back/end-session/?post_logout_redirect_uri={party.url}/bye"
    page.goto(address)
    expect(page.get_by_role("heading", name="Sign out?")).to_be_visible()
    page.get_by_role("button", name="Stay signed in").click()
    page.wait_for_url(f"{party.url}/bye")
    assert active(house, "back", tokens["access_token"])
    page.goto(address)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{party.url}/bye")
    assert not active(house, "back", tokens["access_token"])


def test_a_page_of_the_client_watches_the_session(house: Server, party: Party, chromium: Browser) -> None:
    context = chromium.new_context(locale="en-GB")
    try:
        page = context.new_page()
        tokens = sign_in(page, house, party, "front")
        page.goto(f"{party.url}/watch?{urlencode({'state': tokens['session_state']})}")
        page.wait_for_function("document.title === 'unchanged'")
        other = context.new_page()
        other.goto(f"{house.url}/flows/-/default/invalidation/")
        other.wait_for_load_state()
        page.wait_for_function("document.title === 'changed'")
        page.goto(f"{party.url}/watch?state=nonsense")
        page.wait_for_function("document.title === 'error'")
    finally:
        context.close()


def test_revoking_a_person_is_heard_at_once(house: Server, party: Party) -> None:
    party.posted.clear()
    person = Person(house.url, "ada", PASSWORD)
    back = person.get(authorize(house, party, "back"), stop=f"{party.url}/cb")
    code = parse_qs(urlsplit(back.headers["location"]).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": f"{party.url}/cb"}
    secret = ("back", "back-secret-for-tests")
    tokens = httpx.post(f"{house.url}/application/o/token/", data=form, auth=secret).json()
    assert active(house, "back", tokens["access_token"])
    assert "signed out everywhere" in house.cli("user", "revoke", "ada").stdout
    assert not active(house, "back", tokens["access_token"])
    wait_until(lambda: party.posted)
    assert house.cli("user", "revoke", "nobody", check=False).returncode == 1
