"""The how-to pages for Grafana and Forgejo, done as they are written: their blueprints, and clients that act like both.

Grafana's client sends the secret in the header (as Go's library does: both halves form-encoded) and tries the form when
that is refused, then reads ID token before userinfo. Forgejo's reads userinfo.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

import httpx2 as httpx
import pytest
from live import Denied, Make, Person, Server
from support.documents import ROOT, of_language, pages

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
PASSWORD = "correct horse battery"
SECRETS = {"GRAFANA_CLIENT_SECRET": "s+/%:ecret=of-grafana", "FORGEJO_CLIENT_SECRET": "secret-of-forgejo"}
VERIFIER = "v" * 43


def blueprint(page: str) -> str:
    (found,) = re.findall(r"```yaml\n(version: 1.*?)```", (PAGES / page).read_text(), re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def house(make_server: Make) -> Server:
    server = make_server(**SECRETS).start()
    for page in ("migrate-grafana.md", "connect-forgejo.md"):
        file = server.folder / f"{page}.yaml"
        file.write_text(blueprint(page))
        server.cli("blueprint", "apply", str(file))
        assert "no changes" in server.cli("blueprint", "apply", str(file)).stdout
    server.cli("user", "set-password", "ada", "--password-stdin", stdin=PASSWORD)
    server.add_user("eve", PASSWORD, "forgejo-admins")
    return server


def code(server: Server, person: Person, **query: str) -> str:
    start = f"{server.url}/application/o/authorize/?{urlencode({'response_type': 'code', 'state': 'x', **query})}"
    led = person.get(start, stop=query["redirect_uri"]).headers["location"]
    answer = parse_qs(urlsplit(led).query)
    assert answer["state"] == ["x"]
    return answer["code"][0]


def challenge() -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


def grafana(server: Server, username: str, *, style: str, scope: str) -> dict[str, Any]:
    """Sign in as Grafana does and return what it takes for the person."""
    back = "https://grafana.example.org/login/generic_oauth"
    query = {"client_id": "grafana", "redirect_uri": back, "scope": scope, "access_type": "online"}
    proof = {"code_challenge": challenge(), "code_challenge_method": "S256"}
    person = Person(server.url, username, PASSWORD)
    form = {"grant_type": "authorization_code", "redirect_uri": back, "code_verifier": VERIFIER}
    form["code"] = code(server, person, **query, **proof)
    secret = SECRETS["GRAFANA_CLIENT_SECRET"]
    headers = {}
    if style == "header":
        both = f"{quote_plus('grafana')}:{quote_plus(secret)}"
        headers["Authorization"] = "Basic " + base64.b64encode(both.encode()).decode()
    else:
        form |= {"client_id": "grafana", "client_secret": secret}
    tokens = httpx.post(f"{server.url}/application/o/token/", data=form, headers=headers)
    assert tokens.status_code == 200, tokens.text
    body = tokens.json()["id_token"].split(".")[1]
    id_token = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    userinfo = claims(server, tokens.json()["access_token"])
    assert id_token["sub"] == userinfo["sub"]
    answer: dict[str, Any] = userinfo | id_token  # the first that has a field is believed
    return answer


def claims(server: Server, access_token: str) -> dict[str, Any]:
    answer = httpx.get(f"{server.url}/application/o/userinfo/", headers={"Authorization": f"Bearer {access_token}"})
    assert answer.status_code == 200
    decoded: dict[str, Any] = answer.json()
    return decoded


@pytest.mark.parametrize("style", ["header", "form"])
@pytest.mark.parametrize("scope", ["openid profile email", "openid profile email groups"])
def test_grafana_meets_the_old_subject_and_the_role(house: Server, style: str, scope: str) -> None:
    told = grafana(house, "ada", style=style, scope=scope)
    assert told["sub"] == "CgNhZGESBWxvY2Fs"
    assert told["email"] == "ada@example.org"
    assert told["preferred_username"] == "ada"
    assert "grafana-admins" in told["groups"]


def test_who_has_no_old_subject_gets_the_usual_one(house: Server) -> None:
    told = grafana(house, "eve", style="header", scope="openid profile email")
    assert re.fullmatch(r"[0-9a-f]{64}", told["sub"])
    assert "grafana-admins" not in told["groups"]


def test_grafana_sends_people_to_sign_out(house: Server) -> None:
    person = Person(house.url, "ada", PASSWORD)
    person.get(f"{house.url}/if/user/")
    assert person.client.get(f"{house.url}/if/user/").status_code == 200
    left = person.client.get(f"{house.url}/application/o/grafana/end-session/", follow_redirects=True)
    assert left.status_code == 200
    assert "Grafana has signed you out. Do you want to sign out of Ostiary as well?" in left.text


def test_forgejo_meets_what_it_is_told_to_read(house: Server) -> None:
    place = f"{house.url}/application/o/forgejo/.well-known/openid-configuration"
    found = httpx.get(place).json()
    back = "https://git.example.org/user/oauth2/ostiary/callback"
    query = {"client_id": "forgejo", "redirect_uri": back, "scope": "openid profile email"}
    form = {"grant_type": "authorization_code", "redirect_uri": back}
    form["code"] = code(house, Person(house.url, "eve", PASSWORD), **query)
    answer = httpx.post(found["token_endpoint"], data=form, auth=("forgejo", SECRETS["FORGEJO_CLIENT_SECRET"]))
    told = claims(house, answer.json()["access_token"])
    assert told["nickname"] == "eve"
    assert told["email"] == "eve@example.org"
    assert told["groups"] == ["forgejo-admins"]
    assert told["sub"]


# The pages of programs that were tried with the programs themselves: here their blueprints, and what their clients ask.


@dataclass(frozen=True)
class Program:
    """A page's program as a client: where its answers go, how it proves itself, and what it needs to be told."""

    page: str
    slug: str
    back: str
    secret: str = ""
    scope: str = "openid profile email"
    pkce: bool = True
    basic: bool = True
    leaves_to: str = ""

    @property
    def client(self) -> str:
        return self.slug


PROGRAMS = [
    Program(
        "connect-zot.md",
        "zot",
        "https://registry.example.org/zot/auth/callback/oidc",
        secret="ZOT_CLIENT_SECRET",
        scope="openid email profile",
        pkce=False,
        leaves_to="https://registry.example.org/login",
    ),
    Program(
        "connect-oauth2-proxy.md",
        "oauth2-proxy",
        "https://app.example.org/oauth2/callback",
        secret="OAUTH2_PROXY_CLIENT_SECRET",
        scope="openid email profile offline_access",
        basic=False,
        leaves_to="https://app.example.org/oauth2/sign_in",
    ),
    Program(
        "connect-kubectl.md",
        "kubernetes",
        "http://localhost:8000",
        scope="openid email profile offline_access",
    ),
    Program(
        "connect-miniflux.md",
        "miniflux",
        "https://rss.example.org/oauth2/oidc/callback",
        secret="MINIFLUX_CLIENT_SECRET",
    ),
    Program(
        "connect-headscale.md",
        "headscale",
        "https://headscale.example.org/oidc/callback",
        secret="HEADSCALE_CLIENT_SECRET",
        scope="openid profile email",
    ),
    Program(
        "connect-jupyterhub.md",
        "jupyterhub",
        "https://hub.example.org/hub/oauth_callback",
        secret="JUPYTERHUB_CLIENT_SECRET",
        scope="openid profile email offline_access",
        leaves_to="https://hub.example.org/hub/login",
    ),
    Program(
        "connect-vouch-proxy.md",
        "vouch",
        "https://vouch.example.org/auth",
        secret="VOUCH_CLIENT_SECRET",
        basic=False,
        leaves_to="https://app.example.org/",
    ),
]


@pytest.fixture(scope="module")
def street(make_server: Make) -> Server:
    """All programs at one server, their blueprints applied as on the pages; ada is in every group they ask for."""
    secrets = {one.secret: f"secret-of-{one.slug}" for one in PROGRAMS if one.secret}
    server = make_server(**secrets, ZOT_CI_PASSWORD="a password of builds").start()
    files = []
    for one in PROGRAMS:
        for number, text in enumerate(of_language(f"docs/how-to/{one.page}", "yaml", "version: 1")):
            path = server.folder / f"{one.slug}-{number}.yaml"
            path.write_text(text)
            files.append(str(path))
    server.cli("blueprint", "check", *files)
    server.cli("blueprint", "apply", *files)
    again = server.cli("blueprint", "apply", *files).stdout
    assert again.count(".yaml: no changes") == len(files), again
    server.add_user("ada", PASSWORD, "family", "admins")
    return server


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda one: one.slug)
def test_a_program_signs_somebody_in_as_its_page_says(street: Server, program: Program) -> None:
    text = (PAGES / program.page).read_text()
    issuer = f"{street.url}/application/o/{program.slug}/"
    found = httpx.get(f"{issuer}.well-known/openid-configuration").json()
    assert found["issuer"] == issuer
    for told in re.findall(r"https://id\.example\.org(/application/o/[^\s\"'?&`)]*)", text):  # what the page hands out
        assert httpx.get(f"{street.url}{told}").status_code in {200, 302, 400, 401, 405}, told
        assert told.endswith(("/", ".well-known/openid-configuration")), told
    query = {"client_id": program.client, "redirect_uri": program.back, "scope": program.scope}
    proof = {"code_challenge": challenge(), "code_challenge_method": "S256"} if program.pkce else {}
    person = Person(street.url, "ada", PASSWORD)
    form = {"grant_type": "authorization_code", "redirect_uri": program.back}
    form["code"] = code(street, person, **query, **proof)
    form |= {"code_verifier": VERIFIER} if program.pkce else {}
    tokens = proven(street, program, form)
    assert tokens.status_code == 200, tokens.text
    told = claims(street, tokens.json()["access_token"])
    assert told["preferred_username"] == "ada"
    assert {"family", "admins"} <= set(told["groups"])
    assert told["email_verified"] is False
    assert ("refresh_token" in tokens.json()) == ("offline_access" in program.scope)
    if "refresh_token" in tokens.json():
        renewed = {"grant_type": "refresh_token", "refresh_token": tokens.json()["refresh_token"]}
        assert proven(street, program, renewed).status_code == 200
    if program.leaves_to:
        query = {"client_id": program.client, "post_logout_redirect_uri": program.leaves_to}
        query["id_token_hint"] = tokens.json()["id_token"]
        left = person.get(f"{issuer}end-session/?{urlencode(query)}", stop=program.leaves_to)
        assert left.headers["location"].startswith(program.leaves_to)
        assert httpx.get(f"{street.url}/if/user/", cookies=dict(person.client.cookies)).status_code == 302


def proven(server: Server, program: Program, form: dict[str, str]) -> httpx.Response:
    """Ask for tokens with the proof that the program sends: in the header, in the form, or none."""
    place = f"{server.url}/application/o/token/"
    secret = f"secret-of-{program.slug}"
    if program.secret and program.basic:
        return httpx.post(place, data=form, auth=(quote_plus(program.client), quote_plus(secret)))
    return httpx.post(
        place, data=form | {"client_id": program.client} | ({"client_secret": secret} if program.secret else {})
    )


def test_who_is_not_in_the_group_does_not_get_in(street: Server) -> None:
    street.add_user("mallory", PASSWORD)
    for program in PROGRAMS:
        if "policybinding" not in (PAGES / program.page).read_text():
            continue  # the hub decides by itself, and its page says so
        query = {"response_type": "code", "client_id": program.client, "redirect_uri": program.back}
        proof = {"code_challenge": challenge(), "code_challenge_method": "S256"}
        address = f"{street.url}/application/o/authorize/?{urlencode({**query, **proof, 'scope': program.scope})}"
        person = Person(street.url, "mallory", PASSWORD)
        try:
            answer = person.get(address, stop=program.back)
        except Denied:
            continue
        assert "location" not in answer.headers, program.slug
        assert "You have no access to this application" in answer.text or answer.status_code in {400, 403}, answer.text


def test_builds_push_to_zot_with_an_app_password(street: Server) -> None:
    form = {"grant_type": "client_credentials", "client_id": "zot", "scope": "openid profile", "username": "zot-ci"}
    place = f"{street.url}/application/o/token/"
    answer = httpx.post(place, data=form | {"password": "a password of builds"})
    assert answer.status_code == 200, answer.text
    told = claims(street, answer.json()["access_token"])
    assert told["groups"] == ["artifact-workloads"]
    assert httpx.post(place, data=form | {"password": "another"}).json()["error"] == "invalid_grant"


def test_kubectl_may_use_its_second_port_and_a_device_code(street: Server) -> None:
    query = {"client_id": "kubernetes", "redirect_uri": "http://localhost:18000", "scope": "openid profile"}
    proof = {"code_challenge": challenge(), "code_challenge_method": "S256"}
    assert code(street, Person(street.url, "ada", PASSWORD), **query, **proof)
    asked = httpx.post(f"{street.url}/application/o/device/", data={"client_id": "kubernetes", "scope": "openid"})
    assert asked.status_code == 200, asked.text
    assert asked.json()["user_code"]


def test_an_address_that_is_verified_is_told_so(make_server: Make) -> None:
    server = make_server(WIKI_CLIENT_SECRET="s").start()
    server.cli("user", "create", "ada", "--email", "ada@example.org", "--password-stdin", stdin=PASSWORD)
    texts = of_language("docs/how-to/connect-an-application.md", "yaml", "version: 1")
    for number, text in enumerate(
        ["version: 1\nentries:\n  - model: authentik_core.group\n    identifiers: {name: family}\n", *texts]
    ):
        path = server.folder / f"{number}.yaml"
        path.write_text(text)
        server.cli("blueprint", "apply", str(path))
    server.cli("group", "add-user", "family", "ada")
    back = "https://wiki.example.org/callback"
    query = {"client_id": "wiki", "redirect_uri": back, "scope": "openid email profile"}
    form = {"grant_type": "authorization_code", "redirect_uri": back}
    form["code"] = code(server, Person(server.url, "ada", PASSWORD), **query)
    answer = httpx.post(f"{server.url}/application/o/token/", data=form, auth=("wiki", "s"))
    told = claims(server, answer.json()["access_token"])
    assert (told["email"], told["email_verified"]) == ("ada@example.org", True)


@pytest.mark.parametrize("page", [*pages(), "examples/homelab/blueprints.yaml", "examples/demo/blueprint.yaml"])
def test_scope_mappings_are_found_by_what_only_the_shipped_ones_have(page: str) -> None:
    """Another mapping for the scope would else be found in their place, by everything that looks for it."""
    text = (ROOT / page).read_text()
    assert not re.findall(r"!Find \[authentik_providers_oauth2\.scopemapping, \[(?!managed)", text)
