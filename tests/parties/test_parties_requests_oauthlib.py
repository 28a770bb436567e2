"""PyPI's requests-oauthlib: scripts and notebooks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest
from live import Person, Server
from party_blueprint import CALLBACK, SECRET
from party_people import expire_sessions, leave, message

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what a library says of itself while it is imported
    from oauthlib.oauth2 import BackendApplicationClient, InvalidClientError, InvalidGrantError, OAuth2Error
    from requests_oauthlib import OAuth2Session

pytestmark = [pytest.mark.party, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(autouse=True)
def _without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


@pytest.fixture
def known(server: Server) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.get(f"{server.url}/application/o/plain/.well-known/openid-configuration").json()
    return answer


@pytest.fixture
def session() -> Iterator[Any]:
    made: list[OAuth2Session] = []

    def start(scope: str = "openid email profile", **more: Any) -> OAuth2Session:
        made.append(OAuth2Session("plain", **{"redirect_uri": CALLBACK, "scope": scope, "pkce": "S256", **more}))
        return made[-1]

    yield start
    for one in made:
        one.close()


def back(session: OAuth2Session, known: dict[str, Any], person: Person, **more: str) -> str:
    url, _ = session.authorization_url(known["authorization_endpoint"], **more)
    return str(person.get(url, stop=CALLBACK).headers["location"])


def fetch(session: OAuth2Session, known: dict[str, Any], url: str, secret: str = SECRET) -> dict[str, Any]:
    answer: dict[str, Any] = session.fetch_token(
        known["token_endpoint"], authorization_response=url, client_secret=secret
    )
    return answer


def test_signing_in_and_refreshing(known: dict[str, Any], session: Any, ada: Person) -> None:
    one = session("openid email profile offline_access")
    first = fetch(one, known, back(one, known, ada))
    assert one.get(known["userinfo_endpoint"]).json()["email"] == "ada@example.org"
    second = one.refresh_token(known["token_endpoint"], auth=("plain", SECRET))
    assert second["access_token"] != first["access_token"]
    assert one.get(known["userinfo_endpoint"]).json()["preferred_username"] == "ada"


def test_a_wrong_secret(known: dict[str, Any], session: Any, ada: Person) -> None:
    one = session()
    url = back(one, known, ada)
    with pytest.raises(InvalidClientError, match="invalid_client"):
        fetch(one, known, url, "not-this-one")


def test_a_wrong_redirect(known: dict[str, Any], session: Any, ada: Person) -> None:
    url, _ = session(redirect_uri="http://localhost:9/elsewhere").authorization_url(known["authorization_endpoint"])
    answer = ada.get(url, stop="http://localhost:9/")
    assert answer.status_code == 400
    assert "address to return to" in message(answer)


def test_a_replayed_code(known: dict[str, Any], session: Any, ada: Person) -> None:
    one = session()
    url = back(one, known, ada)
    fetch(one, known, url)
    assert one.get(known["userinfo_endpoint"]).status_code == 200
    with pytest.raises(InvalidGrantError, match="invalid_grant"):
        fetch(one, known, url)
    assert one.get(known["userinfo_endpoint"]).status_code == 401


def test_a_session_that_ended_meanwhile(known: dict[str, Any], session: Any, ada: Person) -> None:
    one = session()
    url = back(one, known, ada)
    leave(ada)
    with pytest.raises(InvalidGrantError, match="invalid_grant"):
        fetch(one, known, url)


def test_a_session_that_expired(known: dict[str, Any], server: Server, session: Any, ada: Person) -> None:
    one = session()
    fetch(one, known, back(one, known, ada))
    expire_sessions(server)
    with pytest.raises(OAuth2Error, match="login_required"):
        fetch(one, known, back(one, known, ada, prompt="none"))


@pytest.mark.parametrize("scope", [None, "profile"])
def test_as_itself(known: dict[str, Any], session: Any, scope: str | None) -> None:
    one = session(client=BackendApplicationClient("plain", scope=scope), redirect_uri=None, scope=scope, pkce=None)
    token = one.fetch_token(known["token_endpoint"], auth=("plain", SECRET))
    assert token["token_type"] == "Bearer"
    assert "refresh_token" not in token
    with pytest.raises(InvalidClientError):
        one.fetch_token(known["token_endpoint"], auth=("plain", "not-this-one"))
