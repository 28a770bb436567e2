"""npm's oauth4webapi 3: each request of the protocols by itself, pushed and bound to a key."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from live import Person, Server
from party_blueprint import CALLBACK
from party_people import Form, expire_sessions, leave, message
from party_process import Library

pytestmark = pytest.mark.party
DRIVER = "oauth4webapi.mjs"


def begin(party: Library, person: Person, **parameters: str) -> str:
    """Walk from the application to the server; return the address by which it answers."""
    url = party.do("authorize", parameters=parameters)["url"]
    return str(person.get(url, stop=CALLBACK).headers["location"])


class TestPlain:
    @pytest.mark.parametrize(
        ("client", "auth"), [("plain", "client_secret_basic"), ("plain", "client_secret_post"), ("native", "none")]
    )
    def test_from_discovery_to_revocation(self, library: Any, ada: Person, client: str, auth: str) -> None:
        party = library(DRIVER, client)
        party.do("discover", auth=auth)
        told = party.do("callback", url=begin(party, ada, scope="openid email offline_access"))
        assert told["claims"]["email"] == "ada@example.org"
        assert party.do("userinfo")["sub"] == told["claims"]["sub"]
        party.do("refresh")
        assert party.do("userinfo")["sub"] == told["claims"]["sub"]
        party.do("revoke", token="refresh_token")
        assert party.refused("refresh").error == "invalid_grant"

    def test_a_wrong_secret(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "plain", CLIENT_SECRET="not-this-one")
        party.do("discover")
        refusal = party.refused("callback", url=begin(party, ada))
        assert (refusal.error, refusal.told["status"]) == ("invalid_client", 401)

    def test_a_wrong_redirect(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "plain", REDIRECT_URI="http://localhost:9/elsewhere")
        party.do("discover")
        answer = ada.get(party.do("authorize")["url"], stop="http://localhost:9/")
        assert answer.status_code == 400
        assert "address to return to" in message(answer)

    def test_a_replayed_code(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "plain")
        party.do("discover")
        party.do("callback", url=begin(party, ada))
        assert party.refused("replay").error == "invalid_grant"
        assert party.refused("userinfo").error == "invalid_token"

    def test_a_session_that_ended_meanwhile(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "plain")
        party.do("discover")
        back = begin(party, ada)
        leave(ada)
        assert party.refused("callback", url=back).error == "invalid_grant"

    def test_a_session_that_expired(self, server: Server, library: Any, ada: Person) -> None:
        party = library(DRIVER, "plain")
        party.do("discover")
        party.do("callback", url=begin(party, ada))
        expire_sessions(server)
        assert party.refused("callback", url=begin(party, ada, prompt="none")).error == "login_required"


class TestPushed:
    def test_signing_in(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "pushing")
        party.do("discover", par=True)
        pushed = party.do("authorize", parameters={})
        assert pushed["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
        assert 5 <= pushed["expires_in"] <= 600
        back = ada.get(pushed["url"], stop=CALLBACK).headers["location"]
        assert party.do("callback", url=back)["claims"]["preferred_username"] == "ada"

    def test_a_request_is_good_once(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "pushing")
        party.do("discover", par=True)
        url = party.do("authorize", parameters={})["url"]
        party.do("callback", url=ada.get(url, stop=CALLBACK).headers["location"])
        again = ada.get(url, stop=CALLBACK)
        assert again.status_code == 400
        assert message(again)

    def test_a_wrong_secret(self, library: Any) -> None:
        party = library(DRIVER, "pushing", CLIENT_SECRET="not-this-one")
        party.do("discover", par=True)
        assert party.refused("authorize", parameters={}).error == "invalid_client"

    def test_a_wrong_redirect(self, library: Any) -> None:
        party = library(DRIVER, "pushing", REDIRECT_URI="http://localhost:9/elsewhere")
        party.do("discover", par=True)
        assert party.refused("authorize", parameters={}).error == "invalid_request"

    def test_a_request_for_another_client_is_not_taken(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "pushing")
        party.do("discover", par=True)
        url = party.do("authorize", parameters={})["url"]
        assert ada.get(url.replace("client_id=pushing", "client_id=plain"), stop=CALLBACK).status_code == 400

    def test_signed_and_answered_by_a_jwt(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "proving")
        party.do("discover", auth="private_key_jwt", par=True, jarm=True)
        back = begin(party, ada, response_mode="jwt")
        assert party.do("callback", url=back)["claims"]["aud"] == "proving"

    @pytest.mark.parametrize("mode", ["query.jwt", "fragment.jwt", "form_post.jwt"])
    def test_an_answer_as_a_jwt(self, library: Any, ada: Person, mode: str) -> None:
        party = library(DRIVER, "plain")
        party.do("discover", jarm=True)
        page = ada.get(party.do("authorize", parameters={"response_mode": mode})["url"], stop=CALLBACK)
        if mode == "form_post.jwt":
            fields = Form(page.text).fields
        else:
            parts = urlsplit(page.headers["location"])
            fields = dict(parse_qsl(parts.fragment or parts.query))
        assert fields.keys() == {"response"}
        assert party.do("callback", url=f"{CALLBACK}?{urlencode(fields)}")["claims"]["preferred_username"] == "ada"


class TestBound:
    def test_the_token_is_worth_nothing_without_the_key(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "binding")
        party.do("discover", auth="none", dpop=True, par=True)
        told = party.do("callback", url=begin(party, ada, scope="openid email offline_access"))
        assert told["token_type"] == "dpop"
        assert party.do("userinfo")["email"] == "ada@example.org"
        assert party.refused("stolen").error in {"invalid_token", "invalid_dpop_proof"}
        assert party.refused("bare").error == "invalid_token"
        assert party.do("refresh")["token_type"] == "dpop"
        assert party.do("userinfo")["email"] == "ada@example.org"

    def test_a_confidential_client_may_bind_as_well(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "plain")
        party.do("discover", dpop=True)
        told = party.do("callback", url=begin(party, ada))
        assert told["token_type"] == "dpop"
        assert party.do("introspect", token="access_token")["cnf"]["jkt"]
        assert party.refused("bare").error == "invalid_token"

    def test_a_replayed_code(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "binding")
        party.do("discover", auth="none", dpop=True)
        party.do("callback", url=begin(party, ada))
        assert party.refused("replay").error == "invalid_grant"

    def test_an_ended_session(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "binding")
        party.do("discover", auth="none", dpop=True)
        party.do("callback", url=begin(party, ada))
        leave(ada)
        assert party.refused("userinfo").error == "invalid_token"

    def test_as_itself(self, library: Any) -> None:
        party = library(DRIVER, "plain")
        party.do("discover", dpop=True)
        assert party.do("credentials", parameters={"scope": "profile"})["token_type"] == "dpop"
