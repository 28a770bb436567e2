"""Authlib, from PyPI, goes from authorize to a verified ID token and userinfo."""

from __future__ import annotations

import warnings
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from live import OPEN, Person, Server

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Authlib announces its own moves between versions
    from authlib.integrations.httpx_client import OAuth2Client
    from authlib.oauth2.rfc6749 import OAuth2Error  # noqa: F401

pytestmark = pytest.mark.party
CALLBACK = "http://localhost:9/callback"


def _client(scope: str = "openid email profile") -> OAuth2Client:
    made = OAuth2Client(
        "authlib",
        "authlib-secret-for-tests",
        scope=scope,
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
    )
    OPEN.append(made)
    return made


def _discovery(server: Server) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.get(f"{server.url}/application/o/authlib/.well-known/openid-configuration").json()
    return answer


def _login(
    server: Server, scope: str = "openid email profile", *, name: str = "ada"
) -> tuple[OAuth2Client, dict[str, Any], dict[str, Any], Person]:
    known = _discovery(server)
    client = _client(scope)
    verifier = "a-code-verifier-that-is-long-enough-to-be-allowed-by-the-rfc"
    url, state = client.create_authorization_url(known["authorization_endpoint"], code_verifier=verifier, nonce="n-0S6")
    person = Person(server.url, name, "correct horse battery")
    back = person.get(url, stop=CALLBACK).headers["location"]
    token = client.fetch_token(
        known["token_endpoint"], authorization_response=back, state=state, code_verifier=verifier
    )
    return client, known, dict(token), person


def test_from_authorize_to_verified_id_token_and_userinfo(server: Server) -> None:
    server.add_user("noa", "correct horse battery", "apache-people")  # who has not consented to anything yet
    client, known, token, person = _login(server, name="noa")
    keys = KeySet.import_key_set(httpx.get(known["jwks_uri"]).json())
    claims = jwt.decode(token["id_token"], keys, algorithms=known["id_token_signing_alg_values_supported"]).claims
    assert claims["iss"] == known["issuer"] == f"{server.url}/application/o/authlib/"
    assert claims["aud"] == "authlib"
    assert claims["nonce"] == "n-0S6"
    assert claims["preferred_username"] == "noa"
    info = client.get(known["userinfo_endpoint"]).json()
    assert info["sub"] == claims["sub"]
    assert info["groups"] == ["apache-people"]
    assert info["email"] == "noa@example.org"
    assert "ak-stage-consent" in person.seen


def test_consent_is_remembered(server: Server) -> None:
    _, known, _, person = _login(server)
    url, _ = _client().create_authorization_url(known["authorization_endpoint"], code_verifier="v" * 64)
    person.seen.clear()
    assert person.get(url, stop=CALLBACK).headers["location"].startswith(CALLBACK)
    assert person.seen == []


def test_a_refresh_token_rotates_and_reuse_ends_the_family(server: Server) -> None:
    client, known, token, _ = _login(server, "openid offline_access")
    first = token["refresh_token"]
    second = client.refresh_token(known["token_endpoint"], refresh_token=first)["refresh_token"]
    third = client.refresh_token(known["token_endpoint"], refresh_token=second)["refresh_token"]
    assert len({first, second, third}) == 3
    basic = ("authlib", "authlib-secret-for-tests")
    replay = httpx.post(
        known["token_endpoint"], auth=basic, data={"grant_type": "refresh_token", "refresh_token": first}
    )
    assert replay.json()["error"] == "invalid_grant"
    after = httpx.post(
        known["token_endpoint"], auth=basic, data={"grant_type": "refresh_token", "refresh_token": third}
    )
    assert after.json()["error"] == "invalid_grant"


def test_a09_a_replayed_code_revokes_what_it_gave(server: Server) -> None:
    known = _discovery(server)
    client = _client()
    url, _ = client.create_authorization_url(known["authorization_endpoint"], code_verifier="v" * 64)
    person = Person(server.url, "ada", "correct horse battery")
    back = person.get(url, stop=CALLBACK).headers["location"]
    form = {
        "grant_type": "authorization_code",
        "code": parse_qs(urlsplit(back).query)["code"][0],
        "redirect_uri": CALLBACK,
        "code_verifier": "v" * 64,
    }
    basic = ("authlib", "authlib-secret-for-tests")
    first = httpx.post(known["token_endpoint"], data=form, auth=basic)
    assert first.status_code == 200, first.text
    bearer = {"Authorization": f"Bearer {first.json()['access_token']}"}
    assert httpx.get(known["userinfo_endpoint"], headers=bearer).status_code == 200
    again = httpx.post(known["token_endpoint"], data=form, auth=basic)
    assert again.status_code == 400
    assert again.json()["error"] == "invalid_grant"
    assert httpx.get(known["userinfo_endpoint"], headers=bearer).status_code == 401


def test_a_wrong_secret_is_refused(server: Server) -> None:
    known = _discovery(server)
    answer = httpx.post(
        known["token_endpoint"], data={"grant_type": "authorization_code", "code": "x"}, auth=("authlib", "no")
    )
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"


def test_a_foreign_redirect_uri_is_shown_not_followed(server: Server) -> None:
    known = _discovery(server)
    query = {
        "client_id": "authlib",
        "response_type": "code",
        "redirect_uri": "https://evil.example/",
        "scope": "openid",
    }
    answer = httpx.get(known["authorization_endpoint"], params=query)
    assert answer.status_code == 400
    assert "location" not in answer.headers


def test_logout_ends_the_session_and_its_access_tokens(server: Server) -> None:
    client, known, token, person = _login(server)
    assert client.get(known["userinfo_endpoint"]).status_code == 200
    person.get(f"{server.url}/flows/-/default/invalidation/")
    assert client.get(known["userinfo_endpoint"]).status_code == 401
    form = {"token": token["access_token"]}
    told = httpx.post(known["introspection_endpoint"], data=form, auth=("authlib", "authlib-secret-for-tests"))
    assert told.json() == {"active": False}
