"""The how-to pages for Grafana and Forgejo, done as they are written: their blueprints, and clients that act like both.

Grafana's client sends the secret in the header (as Go's library does: both halves form-encoded) and tries the form when
that is refused, then reads ID token before userinfo. Forgejo's reads userinfo.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

import httpx2 as httpx
import pytest
from live import Person, Server

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
PASSWORD = "correct horse battery"
SECRETS = {"GRAFANA_CLIENT_SECRET": "s+/%:ecret=of-grafana", "FORGEJO_CLIENT_SECRET": "secret-of-forgejo"}
VERIFIER = "v" * 43


def blueprint(page: str) -> str:
    (found,) = re.findall(r"```yaml\n(version: 1.*?)```", (PAGES / page).read_text(), re.DOTALL)
    return found


@pytest.fixture(scope="module")
def house(make_server) -> Server:
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


def grafana(server: Server, username: str, *, style: str, scope: str) -> dict:
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
    return userinfo | id_token  # the first that has a field is believed


def claims(server: Server, access_token: str) -> dict:
    answer = httpx.get(f"{server.url}/application/o/userinfo/", headers={"Authorization": f"Bearer {access_token}"})
    assert answer.status_code == 200
    return answer.json()


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
    assert "You are signed out of Grafana" in left.text


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
