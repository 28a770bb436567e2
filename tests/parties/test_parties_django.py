"""PyPI's mozilla-django-oidc in a Django site of its own process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from live import Person, Server
from party_blueprint import SECRET
from party_people import expire_sessions, leave, message
from party_process import Site

pytestmark = pytest.mark.party
PROGRAM = Path(__file__).with_name("django_site.py")


@pytest.fixture(scope="module")
def site(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Site]]:
    """Give a factory of sites: one process for each set of settings."""
    started: dict[tuple[tuple[str, str], ...], Site] = {}

    def start(**settings: str) -> Site:
        key = tuple(sorted(settings.items()))
        if key not in started:
            usual = {"ISSUER": f"{server.url}/application/o/django/", "CLIENT_ID": "django", "CLIENT_SECRET": SECRET}
            command = [sys.executable, "-W", "ignore", str(PROGRAM)]
            made = Site(command, {**usual, **settings}, tmp_path_factory.mktemp("django"), callback="/oidc/callback/")
            started[key] = made
            made.start()
        return started[key]

    yield start
    for one in started.values():
        one.stop()


def callback(site: Site, person: Person) -> str:
    """Go as far as the server's answer, and do not take it to the site."""
    return str(person.get(f"{site.url}/oidc/authenticate/", stop=site.redirect_uri).headers["location"])


@pytest.mark.parametrize("settings", [{}, {"BASIC": "1", "PKCE": "1"}], ids=["usual", "basic-pkce"])
def test_signing_in(site: Callable[..., Site], ada: Person, settings: dict[str, str]) -> None:
    answer = ada.get(f"{site(**settings).url}/oidc/authenticate/")
    assert answer.status_code == 200, answer.text
    assert answer.json()["email"] == "ada@example.org"


def test_a_wrong_secret(site: Callable[..., Site], ada: Person) -> None:
    made = site(CLIENT_SECRET="not-this-one")
    answer = ada.get(f"{made.url}/oidc/authenticate/")
    assert answer.status_code == 500
    assert '"error":"invalid_client"' in made.log(), "its administrator reads the reason"
    assert ada.client.get(f"{made.url}/").status_code == 401


def test_a_wrong_redirect(server: Server, site: Callable[..., Site], ada: Person) -> None:
    made = site()
    wrong = ada.client.get(f"{made.url}/oidc/authenticate/").headers["location"]
    parts = urlsplit(wrong)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    query["redirect_uri"] = f"{made.url}/elsewhere/"
    answer = ada.get(parts._replace(query=urlencode(query)).geturl(), stop=made.url)
    assert answer.status_code == 400
    assert "address to return to" in message(answer)


def test_a_replayed_code(server: Server, site: Callable[..., Site], ada: Person) -> None:
    made = site()
    first = callback(made, ada)
    assert ada.get(first).status_code == 200
    thief = Person(server.url, "ada", ada.password)
    begun = thief.client.get(f"{made.url}/oidc/authenticate/").headers["location"]
    state = parse_qs(urlsplit(begun).query)["state"][0]
    code = parse_qs(urlsplit(first).query)["code"][0]
    answer = thief.get(f"{made.redirect_uri}?{urlencode({'code': code, 'state': state})}")
    assert answer.status_code == 500
    assert '"error":"invalid_grant"' in made.log(), "its administrator reads the reason"
    assert thief.client.get(f"{made.url}/").status_code == 401


def test_a_session_that_ended_meanwhile(site: Callable[..., Site], ada: Person) -> None:
    made = site()
    url = callback(made, ada)
    leave(ada)
    assert ada.get(url).status_code == 500
    assert ada.get(f"{made.url}/oidc/authenticate/").status_code == 200, "and signs in again"
    assert "ak-stage-identification" in ada.seen


def test_a_session_that_expired(server: Server, site: Callable[..., Site], ada: Person) -> None:
    made = site(RENEW="1")
    back = callback(made, ada)
    signed = ada.client.get(back)
    assert signed.headers["location"] == "/"
    home = f"{made.url}/"
    renewed = ada.get(ada.client.get(home).headers["location"], stop=made.redirect_uri).headers["location"]
    assert "code=" in renewed, "the silent renewal finds the session"
    assert ada.client.get(renewed).headers["location"] == "/"
    expire_sessions(server)
    refused = ada.get(ada.client.get(home).headers["location"], stop=made.redirect_uri).headers["location"]
    assert "error=login_required" in refused
    answer = ada.get(refused)
    assert answer.status_code == 403
    assert answer.json() == {"failed": True, "user": None}
    assert ada.client.get(home).status_code == 401, "signed out here as well, and asked nothing in circles"
