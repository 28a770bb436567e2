"""PyPI's social-auth-core, as NetBox, Sentry and other Django and Flask sites use it."""

from __future__ import annotations

import warnings
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from live import Person, Server
from party_blueprint import CALLBACK
from party_people import expire_sessions, leave, message

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what a library says of itself while it is imported
    from social_core.exceptions import AuthConfigurationError, SocialAuthBaseException
    from social_site import SocialSite

pytestmark = [pytest.mark.party, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def site(server: Server, client: str = "plain", **more: Any) -> SocialSite:
    return SocialSite(f"{server.url}/application/o/{client}/", client, **more)


def thrown(made: SocialSite, url: str) -> SocialAuthBaseException:
    """Return what the site is told instead of signing somebody in."""
    with pytest.raises(SocialAuthBaseException) as caught:
        made.complete(url)
    return caught.value


def back(made: SocialSite, person: Person) -> str:
    return str(person.get(made.begin(), stop=CALLBACK).headers["location"])


@pytest.mark.parametrize("pkce", [True, False])
@pytest.mark.parametrize("method", ["", "client_secret_post"])
def test_signing_in(server: Server, ada: Person, pkce: bool, method: str) -> None:
    made = site(server, USE_PKCE=pkce, TOKEN_ENDPOINT_AUTH_METHOD=method)
    person = made.complete(back(made, ada))
    assert person["details"]["username"] == "ada"
    assert person["details"]["email"] == "ada@example.org"
    assert person["uid"] == made.backend.id_token["sub"]


def test_refreshing(server: Server, ada: Person) -> None:
    made = site(server, SCOPE=["offline_access"])
    person = made.complete(back(made, ada))
    fresh = made.backend.refresh_token(person["response"]["refresh_token"])
    assert fresh["access_token"] != person["response"]["access_token"]
    assert made.backend.user_data(fresh["access_token"])["email"] == "ada@example.org"


def test_a_wrong_secret(server: Server, ada: Person) -> None:
    made = site(server, secret="not-this-one")
    error = thrown(made, back(made, ada))
    assert isinstance(error, AuthConfigurationError), "it is told apart from what a person did"
    assert error.provider_code == "invalid_client"


def test_a_wrong_redirect(server: Server, ada: Person) -> None:
    made = site(server, redirect_uri="http://localhost:9/elsewhere")
    answer = ada.get(made.begin(), stop="http://localhost:9/")
    assert answer.status_code == 400
    assert "address to return to" in message(answer)


def test_a_replayed_code(server: Server, ada: Person) -> None:
    first, second = site(server), site(server)
    url = back(first, ada)
    token = first.complete(url)["response"]["access_token"]
    begun = parse_qs(urlsplit(second.begin()).query)
    code = parse_qs(urlsplit(url).query)["code"][0]
    replayed = f"{CALLBACK}?code={code}&state={begun['state'][0]}"
    error = thrown(second, replayed)
    assert (error.provider_code, error.recovery) == ("invalid_grant", "restart_login")
    with pytest.raises(SocialAuthBaseException):
        first.backend.user_data(token)


def test_a_session_that_ended_meanwhile(server: Server, ada: Person) -> None:
    made = site(server)
    url = back(made, ada)
    leave(ada)
    error = thrown(made, url)
    assert (error.provider_code, error.recovery) == ("invalid_grant", "restart_login")


def test_a_session_that_expired(server: Server, ada: Person) -> None:
    made = site(server, PROMPT="none")
    ada.get(f"{server.url}/if/user/")
    made.complete(back(made, ada))
    expire_sessions(server)
    assert thrown(made, back(made, ada)).provider_code == "login_required"
