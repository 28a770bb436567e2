"""A real server: pushed requests, answers by form and signed answers, prompts, from end to end."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2 as httpx
from joserfc import jwt
from joserfc.jwk import KeySet
from live import Person, Server

CALLBACK = "http://localhost:9/callback"
BASIC = ("authlib", "authlib-secret-for-tests")
REQUEST = {
    "client_id": "authlib",
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "scope": "openid email",
    "state": "s",
}


class Form(HTMLParser):
    """The one form of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.action = ""
        self.members: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "form":
            self.action = found.get("action") or ""
        if tag == "input" and found.get("type") == "hidden":
            self.members[found["name"] or ""] = found.get("value") or ""


def known(server: Server) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.get(f"{server.url}/application/o/authlib/.well-known/openid-configuration").json()
    return answer


def url(server: Server, **changes: str) -> str:
    return f"{server.url}/application/o/authorize/?{urlencode({**REQUEST, **changes})}"


def exchange(server: Server, code: str) -> dict[str, Any]:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    answer = httpx.post(known(server)["token_endpoint"], data=form, auth=BASIC)
    assert answer.status_code == 200, answer.text
    decoded: dict[str, Any] = answer.json()
    return decoded


def test_a_form_brings_the_code(server: Server) -> None:
    person = Person(server.url, "ada", "correct horse battery")
    page = person.get(url(server, response_mode="form_post"))
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    assert f"form-action {CALLBACK};" in page.headers["content-security-policy"]
    form = Form(page.text)
    assert form.action == CALLBACK
    assert form.members["state"] == "s"
    assert exchange(server, form.members["code"])["scope"] == "openid email"


def test_a_pushed_request_survives_the_sign_in(server: Server) -> None:
    document = known(server)
    answer = httpx.post(document["pushed_authorization_request_endpoint"], data=REQUEST, auth=BASIC)
    assert answer.status_code == 201, answer.text
    pushed = {"client_id": "authlib", "request_uri": answer.json()["request_uri"]}
    begin = f"{document['authorization_endpoint']}?{urlencode(pushed)}"
    person = Person(server.url, "ada", "correct horse battery")
    back = person.get(begin, stop=CALLBACK).headers["location"]
    assert exchange(server, dict(parse_qsl(urlsplit(back).query))["code"])["id_token"]
    assert person.get(begin).status_code == 400


def test_a_signed_answer(server: Server) -> None:
    document = known(server)
    person = Person(server.url, "ada", "correct horse battery")
    back = person.get(url(server, response_mode="jwt"), stop=CALLBACK).headers["location"]
    token = dict(parse_qsl(urlsplit(back).query))["response"]
    keys = KeySet.import_key_set(httpx.get(document["jwks_uri"]).json())
    claims = jwt.decode(token, keys, algorithms=document["authorization_signing_alg_values_supported"]).claims
    assert (claims["iss"], claims["aud"], claims["state"]) == (document["issuer"], "authlib", "s")
    assert exchange(server, claims["code"])["access_token"]


def test_prompts(server: Server) -> None:
    person = Person(server.url, "ada", "correct horse battery")
    person.get(url(server), stop=CALLBACK)
    for prompt, expected in (("consent", "ak-stage-consent"), ("login", "ak-stage-identification")):
        person.seen.clear()
        person.get(url(server, prompt=prompt), stop=CALLBACK)
        assert expected in person.seen
    person.seen.clear()
    person.get(url(server, prompt="select_account", login_hint="ada"), stop=CALLBACK)
    assert "ak-stage-identification" in person.seen, "the hint does not choose"
    silent = person.get(url(server, prompt="none"), stop=CALLBACK).headers["location"]
    assert "code=" in silent


def test_the_language_is_the_applications_wish(server: Server) -> None:
    person = Person(server.url)
    answer = person.client.get(url(server, ui_locales="xx de-AT"))
    page = person.client.get(f"{server.url}{answer.headers['location']}")
    assert 'lang="de"' in page.text
