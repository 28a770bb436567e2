"""npm's openid-client 6 on the roads beside the straight one: proofs of the client, pushed and signed requests, DPoP."""

from __future__ import annotations

from typing import Any

import pytest
from live import Person
from party_blueprint import CALLBACK
from party_people import Form, leave, message
from party_process import Library

pytestmark = pytest.mark.party
DRIVER = "openid_client.mjs"


def begin(party: Library, person: Person, **parameters: str) -> str:
    """Walk from the application to the server; return the address by which it answers."""
    url = party.do("authorize", parameters=parameters)["url"]
    return str(person.get(url, stop=CALLBACK).headers["location"])


@pytest.mark.parametrize(("client", "auth"), [("proving", "private_key_jwt"), ("hashing", "client_secret_jwt")])
class TestAssertions:
    def test_signing_in(self, library: Any, ada: Person, client: str, auth: str) -> None:
        party = library(DRIVER, client)
        assert party.do("discover", auth=auth)["token_endpoint_auth_methods_supported"] == [auth]
        told = party.do("callback", url=begin(party, ada, scope="openid offline_access"))
        assert told["claims"]["aud"] == client
        party.do("refresh")
        assert party.do("introspect", token="access_token")["active"] is True
        party.do("revoke", token="access_token")
        assert party.refused("userinfo").error == "invalid_token"

    def test_another_key(self, library: Any, ada: Person, client: str, auth: str, strange_key: str) -> None:
        party = library(DRIVER, client, CLIENT_KEY=strange_key, CLIENT_SECRET="a-secret-that-nobody-gave-this-client")
        party.do("discover", auth=auth)
        refusal = party.refused("callback", url=begin(party, ada))
        assert (refusal.error, refusal.told["status"]) == ("invalid_client", 401)

    def test_the_plain_secret_is_not_enough(self, library: Any, ada: Person, client: str, auth: str) -> None:
        party = library(DRIVER, client)
        party.do("discover", auth="client_secret_post")
        assert party.refused("callback", url=begin(party, ada)).error == "invalid_client"

    def test_a_replayed_code(self, library: Any, ada: Person, client: str, auth: str) -> None:
        party = library(DRIVER, client)
        party.do("discover", auth=auth)
        party.do("callback", url=begin(party, ada))
        assert party.refused("replay").error == "invalid_grant"


class TestPushed:
    def test_signing_in(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "pushing")
        assert party.do("discover", par=True)["require_pushed_authorization_requests"] is True
        assert party.do("callback", url=begin(party, ada))["claims"]["preferred_username"] == "ada"

    def test_not_pushed(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "pushing")
        party.do("discover")
        assert party.refused("callback", url=begin(party, ada)).error == "invalid_request"

    def test_a_wrong_secret_is_told_before_anybody_signs_in(self, library: Any) -> None:
        party = library(DRIVER, "pushing", CLIENT_SECRET="not-this-one")
        party.do("discover", par=True)
        refusal = party.refused("authorize")
        assert (refusal.error, refusal.told["status"]) == ("invalid_client", 401)

    def test_a_wrong_redirect_is_told_before_anybody_signs_in(self, library: Any) -> None:
        party = library(DRIVER, "pushing", REDIRECT_URI="http://localhost:9/elsewhere")
        party.do("discover", par=True)
        assert party.refused("authorize").error == "invalid_request"


class TestSigned:
    def test_an_answer_as_a_jwt(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "plain")
        party.do("discover", jarm=True)
        back = begin(party, ada)
        assert "response=" in back
        assert party.do("callback", url=back)["claims"]["preferred_username"] == "ada"

    def test_a_refusal_as_a_jwt(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "plain")
        party.do("discover", jarm=True)
        refusal = party.refused("callback", url=begin(party, ada, prompt="none"))
        assert refusal.error == "login_required"

    def test_a_request_as_a_jwt(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "signing")
        party.do("discover", jar=True)
        assert party.do("callback", url=begin(party, ada))["claims"]["preferred_username"] == "ada"

    def test_a_request_signed_by_another(self, library: Any, ada: Person, strange_key: str) -> None:
        party = library(DRIVER, "signing", CLIENT_KEY=strange_key)
        party.do("discover", jar=True)
        answer = ada.get(party.do("authorize")["url"], stop=CALLBACK)
        assert answer.status_code == 400, "no address in it is trusted, so nobody is sent there"
        assert "request" in message(answer)
        assert ada.seen == []

    def test_a_request_pushed_and_signed_and_answered_by_a_jwt(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "plain")
        party.do("discover", par=True, jarm=True)
        assert party.do("callback", url=begin(party, ada))["claims"]["preferred_username"] == "ada"


class TestOtherResponses:
    def test_an_identity_from_the_authorization_endpoint(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "front")
        party.do("discover", implicit=True)
        assert party.do("callback", url=begin(party, ada))["claims"]["preferred_username"] == "ada"

    def test_a_code_with_an_identity(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "front")
        party.do("discover", hybrid=True)
        back = begin(party, ada)
        assert "#" in back
        assert party.do("callback", url=back)["claims"]["preferred_username"] == "ada"
        assert party.refused("replay").error == "invalid_grant"

    @pytest.mark.parametrize("asked", [{}, {"hybrid": True}, {"implicit": True}])
    def test_answers_as_a_form(self, library: Any, ada: Person, asked: dict[str, bool]) -> None:
        party = library(DRIVER, "front")
        party.do("discover", **asked)
        page = ada.get(party.do("authorize", parameters={"response_mode": "form_post"})["url"], stop=CALLBACK)
        assert page.status_code == 200
        assert f"form-action {CALLBACK}" in page.headers["content-security-policy"].replace("'self' ", "")
        form = Form(page.text)
        assert form.action == CALLBACK
        assert party.do("callback", url=form.action, form=form.fields)["claims"]["preferred_username"] == "ada"


class TestBound:
    def test_tokens_bound_to_a_key(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "binding")
        party.do("discover", auth="none", dpop=True)
        told = party.do("callback", url=begin(party, ada, scope="openid profile offline_access"))
        assert told["token_type"] == "dpop"
        assert party.do("userinfo")["preferred_username"] == "ada"
        assert party.do("refresh")["token_type"] == "dpop"
        assert party.do("userinfo")["preferred_username"] == "ada"

    def test_pushed_and_bound(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "binding")
        party.do("discover", auth="none", dpop=True, par=True)
        assert party.do("callback", url=begin(party, ada))["token_type"] == "dpop"

    def test_without_a_proof(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "binding")
        party.do("discover", auth="none")
        assert party.refused("callback", url=begin(party, ada)).error == "invalid_dpop_proof"

    def test_an_ended_session(self, library: Any, ada: Person) -> None:
        party = library(DRIVER, "binding")
        party.do("discover", auth="none", dpop=True)
        party.do("callback", url=begin(party, ada))
        leave(ada)
        assert party.refused("userinfo").error == "invalid_token"


class TestItself:
    def test_as_itself(self, library: Any) -> None:
        party = library(DRIVER, "plain")
        party.do("discover")
        told = party.do("credentials", parameters={"scope": "profile"})
        assert told["token_type"] == "bearer"
        assert "refresh_token" not in told["names"]
        assert party.do("introspect", token="access_token")["active"] is True

    def test_with_a_wrong_secret(self, library: Any) -> None:
        party = library(DRIVER, "plain", CLIENT_SECRET="not-this-one")
        party.do("discover")
        assert party.refused("credentials", parameters={}).error == "invalid_client"


def test_a_device(library: Any, owner: Any) -> None:
    party = library(DRIVER, "native")
    party.do("discover", auth="none")
    begun = party.do("device", parameters={"scope": "openid profile"})
    owner.allow(begun)
    assert party.do("poll")["claims"]["preferred_username"] == "ada"
    assert party.do("userinfo")["preferred_username"] == "ada"
