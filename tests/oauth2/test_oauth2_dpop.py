"""DPoP: tokens that are good in one hand only."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from oauth2_client_keys import TOKEN_URL, Key
from oauth2_rig import CALLBACK, CHALLENGE, SECOND, SECRET, VERIFIER, Rig, basic_header, json_of, provider, verified

from ostiary.web.response import Response

USERINFO_URL = "https://id.example.org/application/o/userinfo/"


@pytest.fixture
def key() -> Key:
    return Key()


async def ask(
    rig: Rig, proof: str | None, *, basic: tuple[str, str] | None = ("wiki", SECRET), **form: str
) -> Response:
    headers = {} if basic is None else {"authorization": basic_header(*basic)}
    if proof is not None:
        headers["dpop"] = proof
    form = {"grant_type": "client_credentials", "scope": "openid", **form}
    return await rig.call("POST", "/application/o/token/", form=form, headers=headers)


async def userinfo(rig: Rig, token: str, proof: str | None, scheme: str = "DPoP") -> Response:
    headers = {"authorization": f"{scheme} {token}", **({} if proof is None else {"dpop": proof})}
    return await rig.call("GET", "/application/o/userinfo/", headers=headers)


def refused(response: Response, code: str = "invalid_dpop_proof") -> bool:
    return response.status == 400 and json_of(response)["error"] == code


def resource_proof(rig: Rig, key: Key, token: str, **claims: Any) -> str:
    return key.proof(rig.now, token=token, **{"htm": "GET", "htu": USERINFO_URL, **claims})


class TestTokenEndpoint:
    @pytest.mark.parametrize("kind", ["ec", "rsa", "ed"])
    async def test_the_token_is_bound(self, rig: Rig, kind: str) -> None:
        key = Key(kind)
        response = await ask(rig, key.proof(rig.now))
        assert response.status == 200, response.body
        body = json_of(response)
        assert body["token_type"] == "DPoP"
        assert (await verified(rig, body["access_token"]))["cnf"] == {"jkt": key.jkt}
        introspected = json_of(
            await rig.call(
                "POST",
                "/application/o/introspect/",
                form={"client_id": "wiki", "client_secret": SECRET, "token": body["access_token"]},
            )
        )
        assert (introspected["token_type"], introspected["cnf"]) == ("DPoP", {"jkt": key.jkt})

    async def test_without_a_proof_it_is_a_bearer_token(self, rig: Rig) -> None:
        assert json_of(await ask(rig, None))["token_type"] == "Bearer"

    async def test_a_client_that_must_use_it(self, rig: Rig, key: Key) -> None:
        rig.change(provider(1, dpop="required"))
        assert refused(await ask(rig, None))
        assert (await ask(rig, key.proof(rig.now))).status == 200

    @pytest.mark.parametrize(
        "claims",
        [
            {"htm": "GET"}, {"htm": None}, {"htm": "post"}, {"htu": None}, {"htu": "https://evil.example.org/"},
            {"htu": USERINFO_URL}, {"htu": "http://id.example.org/application/o/token/"}, {"htu": TOKEN_URL + "x"},
            {"htu": "https://id.example.org:444/application/o/token/"}, {"htu": "https://u@id.example.org/application/o/token/"},
            {"iat": None}, {"iat": "x"}, {"iat": 1_700_000_000 - 121}, {"iat": 1_700_000_000 + 31}, {"iat": True},
            {"iat": 10**400}, {"jti": None}, {"jti": ""}, {"jti": 5}, {"jti": "x" * 513},
        ],
    )  # fmt: skip
    async def test_wrong_claims(self, rig: Rig, key: Key, claims: dict[str, Any]) -> None:
        assert refused(await ask(rig, key.proof(rig.now, **claims)))

    @pytest.mark.parametrize("htu", [TOKEN_URL + "?a=1#b", "HTTPS://ID.example.org:443/application/o/token/"])
    async def test_addresses_that_are_the_same(self, rig: Rig, key: Key, htu: str) -> None:
        assert (await ask(rig, key.proof(rig.now, htu=htu))).status == 200

    @pytest.mark.parametrize(
        "header",
        [
            {"typ": "JWT"}, {"typ": None}, {"alg": "none"}, {"alg": "HS256"}, {"alg": "RS256"}, {"alg": None},
            {"alg": ["ES256"]}, {"jwk": None}, {"jwk": {}}, {"jwk": []}, {"jwk": {"kty": "oct", "k": "AAAA"}}, {"crit": ["b64"]},
            {"jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}, {"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}},
        ],
    )  # fmt: skip
    async def test_a14_wrong_headers(self, rig: Rig, key: Key, header: dict[str, object]) -> None:
        assert refused(await ask(rig, key.proof(rig.now, header=header)))

    async def test_another_key_than_the_one_shown(self, rig: Rig, key: Key) -> None:
        assert refused(await ask(rig, key.proof(rig.now, header={"jwk": Key().jwk})))
        assert refused(await ask(rig, key.proof(rig.now, header={"jwk": {**key.jwk, "d": "AAAA"}})))

    @pytest.mark.parametrize("text", ["", "x", "a.b.c", "e30.e30.", "x" * 9000, "a b", "é"])
    async def test_no_proof_at_all(self, rig: Rig, text: str) -> None:
        assert refused(await ask(rig, text))

    async def test_a_proof_counts_once(self, both: Rig, key: Key) -> None:
        proof = key.proof(both.now)
        answers = await asyncio.gather(*(ask(both, proof) for _ in range(20)))
        assert sorted(one.status for one in answers) == [200, *[400] * 19]
        both.now += 119 * SECOND
        assert refused(await ask(both, proof))

    async def test_the_same_jti_of_another_key(self, rig: Rig, key: Key) -> None:
        assert (await ask(rig, key.proof(rig.now, jti="one"))).status == 200
        assert (await ask(rig, Key().proof(rig.now, jti="one"))).status == 200
        assert refused(await ask(rig, key.proof(rig.now, jti="one")))


class TestCodes:
    async def exchange(self, rig: Rig, code: str, proof: str | None, **changes: Any) -> Response:
        form: dict[str, Any] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
            **changes,
        }
        return await ask(rig, proof, **form)

    async def test_bound_at_the_authorization_endpoint(self, rig: Rig, key: Key) -> None:
        await rig.browser.sign_in()
        for proof in (None, Key().proof(rig.now)):
            code = await rig.browser.code(dpop_jkt=key.jkt)
            assert refused(await self.exchange(rig, code, proof), "invalid_grant")
        code = await rig.browser.code(dpop_jkt=key.jkt)
        assert (await self.exchange(rig, code, key.proof(rig.now))).status == 200

    async def test_refresh_tokens_of_public_clients_are_bound(self, both: Rig, key: Key) -> None:
        both.change(provider(1, client_type="public"))
        tokens = await self.public_tokens(both, key)
        assert tokens["token_type"] == "DPoP"
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": "wiki"}
        for proof in (None, Key().proof(both.now)):
            assert refused(await ask(both, proof, basic=None, **form), "invalid_grant")
        fresh = json_of(await ask(both, key.proof(both.now), basic=None, **form))
        form["refresh_token"] = fresh["refresh_token"]
        assert refused(await ask(both, None, basic=None, **form), "invalid_grant")
        assert (await ask(both, key.proof(both.now), basic=None, **form)).status == 200

    async def test_who_lacks_the_key_cannot_end_the_family(self, rig: Rig, key: Key) -> None:
        rig.change(provider(1, client_type="public"))
        tokens = await self.public_tokens(rig, key)
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": "wiki"}
        fresh = json_of(await ask(rig, key.proof(rig.now), basic=None, **form))
        rig.now += 11 * SECOND
        assert refused(await ask(rig, Key().proof(rig.now), basic=None, **form), "invalid_grant")
        form["refresh_token"] = fresh["refresh_token"]
        assert (await ask(rig, key.proof(rig.now), basic=None, **form)).status == 200

    async def test_refresh_tokens_of_confidential_clients_follow_the_client(self, rig: Rig, key: Key) -> None:
        await rig.browser.sign_in()
        tokens = json_of(await self.exchange(rig, await rig.browser.code(), key.proof(rig.now)))
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        other = Key()
        fresh = json_of(await ask(rig, other.proof(rig.now), **form))
        assert (await verified(rig, fresh["access_token"]))["cnf"] == {"jkt": other.jkt}

    async def public_tokens(self, rig: Rig, key: Key) -> dict[str, Any]:
        await rig.browser.sign_in()
        code = await rig.browser.code(code_challenge=CHALLENGE)
        form = {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER, "client_id": "wiki"}
        response = await ask(rig, key.proof(rig.now), basic=None, grant_type="authorization_code", **form)
        assert response.status == 200, response.body
        return json_of(response)


class TestResource:
    @pytest.fixture
    async def token(self, rig: Rig, key: Key) -> str:
        return str(json_of(await ask(rig, key.proof(rig.now)))["access_token"])

    async def test_with_a_proof(self, rig: Rig, key: Key, token: str) -> None:
        proof = resource_proof(rig, key, token)
        assert (await userinfo(rig, token, proof)).status == 200
        again = await userinfo(rig, token, proof)
        assert again.status == 401
        assert (again.header("www-authenticate") or "").startswith("DPoP ")
        assert "invalid_dpop_proof" in (again.header("www-authenticate") or "")

    async def test_refusals(self, rig: Rig, key: Key, token: str) -> None:
        other = json_of(await ask(rig, key.proof(rig.now)))["access_token"]
        bad = [
            None,
            key.proof(rig.now, htm="GET", htu=USERINFO_URL),  # no ath
            resource_proof(rig, key, other),  # of another token
            resource_proof(rig, Key(), token),  # another key
            resource_proof(rig, key, token, htm="POST"),
            resource_proof(rig, key, token, iat=1),
        ]
        for proof in bad:
            assert (await userinfo(rig, token, proof)).status == 401

    async def test_a_bound_token_is_no_bearer_token(self, rig: Rig, key: Key, token: str) -> None:
        for proof in (None, resource_proof(rig, key, token)):
            answer = await userinfo(rig, token, proof, "Bearer")
            assert answer.status == 401
            assert "invalid_token" in (answer.header("www-authenticate") or "")
        form = {"access_token": token}
        assert (await rig.call("POST", "/application/o/userinfo/", form=form)).status == 401

    async def test_a_bearer_token_is_no_bound_token(self, rig: Rig, key: Key) -> None:
        token = json_of(await ask(rig, None))["access_token"]
        assert (await userinfo(rig, token, resource_proof(rig, key, token))).status == 401


class TestNonce:
    @pytest.fixture
    async def strict(self, rig: Rig) -> Rig:
        await rig.restart(OSTIARY_DPOP__NONCE="required")
        return rig

    async def test_asked_for_and_taken(self, strict: Rig, key: Key) -> None:
        answer = await ask(strict, key.proof(strict.now))
        assert refused(answer, "use_dpop_nonce")
        nonce = answer.header("dpop-nonce")
        assert nonce
        assert answer.header("access-control-expose-headers") == "DPoP-Nonce"
        fresh = await ask(strict, key.proof(strict.now, nonce=nonce))
        assert fresh.status == 200
        assert fresh.header("dpop-nonce") == nonce
        token = json_of(fresh)["access_token"]
        refusal = await userinfo(strict, token, resource_proof(strict, key, token))
        assert (refusal.status, refusal.header("dpop-nonce")) == (401, nonce)
        assert "use_dpop_nonce" in (refusal.header("www-authenticate") or "")
        assert (await userinfo(strict, token, resource_proof(strict, key, token, nonce=nonce))).status == 200

    @pytest.mark.parametrize("nonce", ["", "x", 5, None, ["x"]])
    async def test_not_ours(self, strict: Rig, key: Key, nonce: object) -> None:
        assert refused(await ask(strict, key.proof(strict.now, nonce=nonce)), "use_dpop_nonce")

    async def test_an_old_one_is_over(self, strict: Rig, key: Key) -> None:
        nonce = (await ask(strict, key.proof(strict.now))).header("dpop-nonce")
        strict.now += 300 * SECOND
        assert (await ask(strict, key.proof(strict.now, nonce=nonce))).status == 200
        strict.now += 300 * SECOND
        assert refused(await ask(strict, key.proof(strict.now, nonce=nonce)), "use_dpop_nonce")

    async def test_without_nonces_none_is_told(self, rig: Rig, key: Key) -> None:
        answer = await ask(rig, key.proof(rig.now, nonce="whatever"))
        assert (answer.status, answer.header("dpop-nonce")) == (200, None)
        assert json.loads(answer.body)["token_type"] == "DPoP"
