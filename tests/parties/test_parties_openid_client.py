"""npm's openid-client 6: the roads it knows, and what its users see when one is closed."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from live import Person, Server
from party_blueprint import CALLBACK
from party_people import expire_sessions, leave, message
from party_process import Library

pytestmark = pytest.mark.party
DRIVER = "openid_client.mjs"


def sign_in(party: Library, person: Person, **parameters: str) -> dict[str, Any]:
    """Walk from the application to the server and back; return what the application knows then."""
    url = party.do("authorize", parameters=parameters)["url"]
    back = person.get(url, stop=CALLBACK).headers["location"]
    return party.do("callback", url=back)


class TestPlain:
    @pytest.mark.parametrize("auth", ["client_secret_basic", "client_secret_post"])
    def test_from_discovery_to_sign_out(self, server: Server, library: Any, ada: Person, auth: str) -> None:
        party = library(DRIVER, "leaving")
        known = party.do("discover", auth=auth)
        told = sign_in(party, ada)
        assert told["claims"]["iss"] == known["issuer"]
        assert told["claims"]["aud"] == "leaving"
        assert told["claims"]["preferred_username"] == "ada"
        assert (told["token_type"], told["scope"], told["expires_in"]) == ("bearer", "openid email profile", 3600)
        assert "refresh_token" not in told["names"]
        info = party.do("userinfo")
        assert (info["sub"], info["email"]) == (told["claims"]["sub"], "ada@example.org")
        assert party.do("introspect", token="access_token")["active"] is True
        party.do("revoke", token="access_token")
        assert party.do("introspect", token="access_token") == {"active": False}
        assert party.refused("userinfo").error == "invalid_token"
        away = party.do("leave", parameters={"post_logout_redirect_uri": CALLBACK, "state": "bye"})["url"]
        gone = ada.get(away, stop=CALLBACK).headers["location"]
        assert parse_qs(urlsplit(gone).query)["state"] == ["bye"]
        ada.seen.clear()
        quiet = party.do("authorize", parameters={"prompt": "none"})["url"]
        back = ada.get(quiet, stop=CALLBACK).headers["location"]
        assert party.refused("callback", url=back).error == "login_required"

    def test_a_public_client_with_pkce(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "native")
        party.do("discover", auth="none")
        assert sign_in(party, ada)["claims"]["aud"] == "native"
        assert party.do("userinfo")["preferred_username"] == "ada"

    def test_refresh(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "plain")
        party.do("discover")
        first = sign_in(party, ada, scope="openid offline_access")
        old = party.do("tokens")
        second = party.do("refresh")
        new = party.do("tokens")
        assert second["claims"]["sub"] == first["claims"]["sub"]
        assert old["refresh_token"] != new["refresh_token"]
        assert party.do("userinfo")["sub"] == first["claims"]["sub"]


class TestClosed:
    def test_a_wrong_address_after_sign_out(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "leaving")
        party.do("discover")
        sign_in(party, ada)
        away = party.do("leave", parameters={"post_logout_redirect_uri": "http://localhost:9/elsewhere"})["url"]
        page = ada.client.get(away, follow_redirects=True)
        assert page.status_code == 200
        assert str(page.url).startswith(ada.base), "the browser stays here"
        assert "not registered" in page.text

    def test_a_wrong_secret(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "plain", CLIENT_SECRET="not-this-one")
        party.do("discover")
        url = party.do("authorize")["url"]
        refusal = party.refused("callback", url=ada.get(url, stop=CALLBACK).headers["location"])
        assert (refusal.error, refusal.told["status"]) == ("invalid_client", 401)

    def test_a_wrong_redirect(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "plain", REDIRECT_URI="http://localhost:9/elsewhere")
        party.do("discover")
        answer = ada.get(party.do("authorize")["url"], stop="http://localhost:9/")
        assert answer.status_code == 400
        assert "address to return to" in message(answer)
        assert ada.seen == []

    def test_a_replayed_code(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "plain")
        party.do("discover")
        sign_in(party, ada, scope="openid offline_access")
        assert party.do("userinfo")["sub"]
        assert party.refused("replay").error == "invalid_grant"
        assert party.refused("userinfo").error == "invalid_token"
        assert party.refused("refresh").error == "invalid_grant"

    def test_a_session_ended_before_the_code_is_redeemed(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "plain")
        party.do("discover")
        back = ada.get(party.do("authorize")["url"], stop=CALLBACK).headers["location"]
        leave(ada)
        assert party.refused("callback", url=back).error == "invalid_grant"
        assert sign_in(party, ada)["claims"]["preferred_username"] == "ada"
        assert "ak-stage-identification" in ada.seen

    def test_a_session_ended_while_tokens_live(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "plain")
        party.do("discover")
        sign_in(party, ada)
        leave(ada)
        assert party.refused("userinfo").error == "invalid_token"
        assert party.do("introspect", token="access_token") == {"active": False}

    def test_a_session_that_expired(self, server: Server, library: Any, ada: Person) -> None:
        party = library(DRIVER, "plain")
        party.do("discover")
        sign_in(party, ada)
        expire_sessions(server)
        quiet = party.do("authorize", parameters={"prompt": "none"})["url"]
        back = ada.get(quiet, stop=CALLBACK).headers["location"]
        assert party.refused("callback", url=back).error == "login_required"
        ada.seen.clear()
        assert sign_in(party, ada)["claims"]["preferred_username"] == "ada"
        assert "ak-stage-identification" in ada.seen

    def test_offline_access_outlives_the_session(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "plain")
        party.do("discover")
        sign_in(party, ada, scope="openid offline_access")
        leave(ada)
        assert party.refused("userinfo").error == "invalid_token"
        party.do("refresh")
        assert party.do("userinfo")["sub"]
