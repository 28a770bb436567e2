"""Answers that bring tokens with them, and every way an answer is delivered."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from oauth2_rig import (
    BASE,
    CALLBACK,
    SECOND,
    VERIFIER,
    Rig,
    answer_of,
    authorize_url,
    json_of,
    location,
    posted,
    provider,
    verified,
)

from ostiary.providers.oauth2.provider.fields import RedirectURI
from ostiary.store.database import Statement

ISSUER = f"{BASE}/application/o/wiki/"
HYBRID = ["code id_token", "code token", "code id_token token"]


def half(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()[:16]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def allow_implicit(rig: Rig, **changes: object) -> None:
    rig.change(provider(1, grant_types=("authorization_code", "refresh_token", "implicit"), **changes))


class TestTokens:
    @pytest.mark.parametrize("response_type", ["id_token", "id_token token", "token", *HYBRID])
    async def test_each_type_brings_what_it_names(self, both: Rig, response_type: str) -> None:
        allow_implicit(both)
        await both.browser.sign_in()
        answer = answer_of(await both.browser.authorize(response_type=response_type), "fragment")
        parts = set(response_type.split())
        assert ("code" in answer, "access_token" in answer, "id_token" in answer) == (
            "code" in parts,
            "token" in parts,
            "id_token" in parts,
        )
        assert (answer["state"], answer["iss"]) == ("st", ISSUER)
        if "id_token" in parts:
            claims = await verified(both, answer["id_token"])
            assert (claims["nonce"], claims["aud"], claims["iss"]) == ("no", "wiki", ISSUER)
            assert claims.get("c_hash") == (half(answer["code"]) if "code" in parts else None)
            assert claims.get("at_hash") == (half(answer["access_token"]) if "token" in parts else None)
        if "token" in parts:
            assert (answer["token_type"], answer["expires_in"]) == ("Bearer", "3600")
            found = await both.call(
                "GET", "/application/o/userinfo/", headers={"authorization": f"Bearer {answer['access_token']}"}
            )
            assert json_of(found)["preferred_username"] == "ada"
        assert ("offline_access" in answer.get("scope", "")) == (
            parts > {"code", "token"} or parts == {"code", "token"}
        )
        (event,) = await both.events("authorize_application")
        assert ("hybrid" if "code" in parts else "implicit") in str(event["context"])

    async def test_an_id_token_alone_holds_the_claims_and_leaves_nothing(self, rig: Rig) -> None:
        allow_implicit(rig, include_claims_in_id_token=False)
        await rig.browser.sign_in()
        answer = answer_of(await rig.browser.authorize(response_type="id_token"), "fragment")
        assert (await verified(rig, answer["id_token"]))["email"] == "ada@example.org"
        assert not await rig.rows("SELECT 1 FROM grant_family")

    async def test_the_code_of_a_hybrid_answer_works_once_and_its_replay_ends_all(self, both: Rig) -> None:
        allow_implicit(both)
        await both.browser.sign_in()
        answer = answer_of(await both.browser.authorize(response_type="code token"), "fragment")
        form: dict[str, Any] = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        }
        assert (await both.token(**form)).status == 200
        assert (await both.token(**form)).status == 400
        bearer = {"authorization": f"Bearer {answer['access_token']}"}
        assert (await both.call("GET", "/application/o/userinfo/", headers=bearer)).status == 401

    async def test_a_token_ends_with_its_session(self, both: Rig) -> None:
        allow_implicit(both)
        await both.browser.sign_in()
        answer = answer_of(await both.browser.authorize(response_type="token"), "fragment")
        await both.browser.sign_out()
        bearer = {"authorization": f"Bearer {answer['access_token']}"}
        assert (await both.call("GET", "/application/o/userinfo/", headers=bearer)).status == 401
        assert not await both.rows("SELECT 1 FROM grant_family")

    async def test_nothing_is_issued_to_a_session_that_ended_meanwhile(self, both: Rig) -> None:
        await both.browser.sign_in()
        real = both.services.users.subject

        async def subject(pk: int) -> Any:
            await both.run(Statement("DELETE FROM session"))
            return await real(pk)

        both.services.users.subject = subject  # type: ignore[method-assign]
        assert answer_of(await both.browser.authorize())["error"] == "login_required"
        assert not await both.rows("SELECT 1 FROM single_use")
        assert not await both.rows("SELECT 1 FROM grant_family")


class TestRefused:
    async def test_an_id_token_needs_openid(self, rig: Rig) -> None:
        allow_implicit(rig)
        await rig.browser.sign_in()
        response = await rig.browser.authorize(response_type="id_token", scope="email")
        assert answer_of(response, "fragment")["error"] == "invalid_scope"

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"response_type": "token"}, "unauthorized_client"),
            ({"response_type": "id_token token"}, "unauthorized_client"),
            ({"response_type": "code token"}, "unauthorized_client"),
            ({"response_type": "code id_token", "nonce": ""}, "invalid_request"),
            ({"response_type": "id_token", "nonce": ""}, "invalid_request"),
            ({"response_type": "id_token"}, "unauthorized_client"),
            ({"response_type": "code id_token"}, "unauthorized_client"),
            ({"response_type": "code id_token", "response_mode": "query"}, "invalid_request"),
            ({"response_type": "id_token", "response_mode": "query.jwt"}, "invalid_request"),
        ],
    )
    async def test_told_in_the_fragment(self, rig: Rig, changes: dict[str, str], error: str) -> None:
        await rig.browser.sign_in()
        response = await rig.browser.authorize(**changes)
        assert answer_of(response, "fragment")["error"] == error
        assert "error" not in answer_of(response)

    async def test_a_client_without_business_here(self, rig: Rig) -> None:
        rig.change(provider(1, grant_types=("client_credentials",)))
        assert answer_of(await rig.browser.authorize())["error"] == "unauthorized_client"
        assert answer_of(await rig.browser.authorize(response_type="id_token"), "fragment")["error"]
        rig.change(provider(1, grant_types=("implicit",)))
        assert answer_of(await rig.browser.authorize())["error"] == "unauthorized_client"

    @pytest.mark.parametrize("changes", [{"dpop": "required"}, {"tls_client_certificate_bound_access_tokens": True}])
    async def test_tokens_that_would_have_to_be_bound(self, rig: Rig, changes: dict[str, object]) -> None:
        allow_implicit(rig, **changes)
        response = await rig.browser.authorize(response_type="token")
        assert answer_of(response, "fragment")["error"] == "unauthorized_client"


class TestProofKeyRule:
    @pytest.mark.parametrize(
        ("rule", "client_type", "refused"),
        [
            ("default", "confidential", set()),
            ("default", "public", {"", "plain"}),
            ("optional", "public", set()),
            ("required", "confidential", {""}),
            ("s256", "confidential", {"", "plain"}),
        ],
    )
    async def test_what_the_provider_demands(self, rig: Rig, rule: str, client_type: str, refused: set[str]) -> None:
        rig.change(provider(1, pkce=rule, client_type=client_type))
        await rig.browser.sign_in()
        for method in ("", "plain", "S256"):
            challenge = {} if method else {"code_challenge": "", "code_challenge_method": ""}
            if method == "plain":
                challenge = {"code_challenge_method": "plain"}
            answer = answer_of(await rig.browser.authorize(**challenge))
            assert (answer.get("error") == "invalid_request") == (method in refused), method


class TestNativeApps:
    async def test_a_public_client_comes_back_at_any_port(self, rig: Rig) -> None:
        entries = (RedirectURI("strict", "http://127.0.0.1/cb"), RedirectURI("strict", "com.example.app:/cb"))
        rig.change(provider(1, client_type="public", redirect_uris=entries))
        await rig.browser.sign_in()
        for uri in ("http://127.0.0.1:49152/cb", "com.example.app:/cb"):
            response = await rig.browser.authorize(redirect_uri=uri)
            assert location(response).startswith(uri + "?code=")
            code = answer_of(response)["code"]
            answer = await rig.token(
                None,
                grant_type="authorization_code",
                client_id="wiki",
                code=code,
                redirect_uri=uri,
                code_verifier=VERIFIER,
            )
            assert answer.status == 200
        rig.change(provider(1, redirect_uris=entries))
        assert (await rig.browser.authorize(redirect_uri="http://127.0.0.1:49152/cb")).status == 400

    async def test_a_form_is_posted_to_the_web_only(self, rig: Rig) -> None:
        rig.change(provider(1, redirect_uris=(RedirectURI("strict", "com.example.app:/cb"),)))
        answer = answer_of(await rig.browser.authorize(redirect_uri="com.example.app:/cb", response_mode="form_post"))
        assert answer["error"] == "invalid_request"


class TestModes:
    async def test_form_post(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        members = posted(await rig.browser.authorize(response_mode="form_post"))
        assert members.keys() == {"code", "state", "iss", "session_state"}
        failed = posted(await rig.browser.authorize(response_mode="form_post", scope='"'))
        assert (failed["error"], failed["state"]) == ("invalid_scope", "st")

    @pytest.mark.parametrize("mode", ["jwt", "query.jwt", "fragment.jwt", "form_post.jwt"])
    async def test_signed(self, rig: Rig, mode: str) -> None:
        await rig.browser.sign_in()
        for changes, expected in (({}, "code"), ({"max_age": "x"}, "error")):
            response = await rig.browser.authorize(response_mode=mode, **changes)
            if mode == "form_post.jwt":
                members = posted(response)
            else:
                members = answer_of(response, "fragment" if mode == "fragment.jwt" else "query")
            members.pop("x", None)
            assert members.keys() == {"response"}
            claims = self.own_claims(await self.read(rig, members["response"]))
            assert claims["state"] == "st"
            assert expected in claims

    async def read(self, rig: Rig, token: str) -> dict[str, Any]:
        return await verified(rig, token)

    def own_claims(self, claims: dict[str, Any]) -> dict[str, Any]:
        assert claims["iss"] == ISSUER
        assert claims["aud"] == "wiki"
        assert claims["exp"] == 1_700_000_000 + 600
        return claims

    async def test_signed_tokens_go_in_a_fragment(self, rig: Rig) -> None:
        allow_implicit(rig)
        await rig.browser.sign_in()
        response = await rig.browser.authorize(response_mode="jwt", response_type="code id_token token")
        claims = await verified(rig, answer_of(response, "fragment")["response"])
        assert claims["expires_in"] == 3600
        assert (await verified(rig, claims["id_token"]))["nonce"] == "no"

    async def test_a_cancelled_sign_in_is_told_in_the_same_way(self, rig: Rig) -> None:
        failed = posted(await rig.browser.authorize(response_mode="form_post", prompt="none"))
        assert failed["error"] == "login_required"


async def test_the_authorization_keeps_what_was_asked_for(both: Rig) -> None:
    both.change(provider(1, resources=("https://api.example.org/", "https://b.example.org/")))
    await both.browser.sign_in()
    thumb = "t" * 43
    claims = '{"id_token": {"groups": {"essential": true}}}'
    url = "&resource=https%3A%2F%2Fb.example.org%2F"
    await both.browser.get(authorize_url(claims=claims, dpop_jkt=thumb, resource="https://api.example.org/") + url)
    (row,) = await both.rows("SELECT body FROM grant_family")
    body = json.loads(row["body"])
    assert body["resources"] == ["https://api.example.org/", "https://b.example.org/"]
    assert body["dpop_jkt"] == thumb
    assert body["claims"] == {"userinfo": [], "id_token": [["groups", True, []]]}
    assert both.now == 1_700_000_000 * SECOND
