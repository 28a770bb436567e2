"""npm's passport-openidconnect on a Node server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from live import Person, Server
from party_blueprint import SECRET
from party_node import Node
from party_people import expire_sessions, leave, message
from party_process import Site

pytestmark = pytest.mark.party


@pytest.fixture(scope="module")
def site(server: Server, node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Site]]:
    """Give a factory of sites: one process for each secret."""
    started: dict[str, Site] = {}

    def start(secret: str = SECRET) -> Site:
        if secret not in started:
            settings = {
                "ISSUER": f"{server.url}/application/o/passport/",
                "CLIENT_ID": "passport",
                "CLIENT_SECRET": secret,
            }
            started[secret] = Site(node.command("passport.mjs"), settings, tmp_path_factory.mktemp("passport"))
            started[secret].start()
        return started[secret]

    yield start
    for one in started.values():
        one.stop()


def callback(site: Site, person: Person) -> str:
    """Go as far as the server's answer, and do not take it to the site."""
    return str(person.get(f"{site.url}/login", stop=site.redirect_uri).headers["location"])


def test_signing_in(site: Callable[..., Site], ada: Person) -> None:
    answer = ada.get(f"{site().url}/login")
    assert answer.status_code == 200, answer.text
    user = answer.json()["user"]
    assert user["displayName"] == "ada"
    assert user["emails"] == [{"value": "ada@example.org"}]


def test_a_wrong_secret(site: Callable[..., Site], ada: Person) -> None:
    made = site("not-this-one")
    answer = ada.get(f"{made.url}/login")
    assert answer.status_code == 500
    assert answer.json()["code"] == "invalid_client"
    assert ada.client.get(f"{made.url}/").status_code == 401


def test_a_wrong_redirect(site: Callable[..., Site], ada: Person) -> None:
    made = site()
    parts = urlsplit(ada.client.get(f"{made.url}/login").headers["location"])
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    query["redirect_uri"] = f"{made.url}/elsewhere"
    answer = ada.get(parts._replace(query=urlencode(query)).geturl(), stop=made.url)
    assert answer.status_code == 400
    assert "address to return to" in message(answer)


def test_a_replayed_code(server: Server, site: Callable[..., Site], ada: Person) -> None:
    made = site()
    first = callback(made, ada)
    assert ada.get(first).status_code == 200
    assert ada.get(first).status_code == 403, "the site itself knows that it did not ask again"
    thief = Person(server.url, "ada", ada.password)
    begun = thief.client.get(f"{made.url}/login").headers["location"]
    state = parse_qs(urlsplit(begun).query)["state"][0]
    code = parse_qs(urlsplit(first).query)["code"][0]
    answer = thief.get(f"{made.redirect_uri}?{urlencode({'code': code, 'state': state})}")
    assert answer.status_code == 500
    assert answer.json()["code"] == "invalid_grant"
    assert thief.client.get(f"{made.url}/").status_code == 401


def test_a_session_that_ended_meanwhile(site: Callable[..., Site], ada: Person) -> None:
    made = site()
    url = callback(made, ada)
    leave(ada)
    assert ada.get(url).json()["code"] == "invalid_grant"
    assert ada.get(f"{made.url}/login").status_code == 200, "and signs in again"
    assert "ak-stage-identification" in ada.seen


def test_a_session_that_expired(server: Server, site: Callable[..., Site], ada: Person) -> None:
    made = site()
    ada.get(f"{made.url}/login")
    assert ada.get(f"{made.url}/quiet").status_code == 200
    expire_sessions(server)
    answer = ada.get(f"{made.url}/quiet")
    assert (answer.status_code, answer.json()["code"]) == (500, "login_required")
