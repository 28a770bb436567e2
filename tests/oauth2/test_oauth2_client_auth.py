"""Client authentication: every method, and every way to get it wrong."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from typing import Any

import pytest
from oauth2_client_keys import TOKEN_URL, Key, assertion_claims, b64
from oauth2_rig import CALLBACK, SECOND, SECRET, VERIFIER, Rig, json_of, provider
from support.noting import noting

from ostiary.proto.oauth2.clients.assertion import JWT_BEARER
from ostiary.seal import Secret
from ostiary.web.response import Response

ISSUER = "https://id.example.org/application/o/wiki/"
PAR_URL = "https://id.example.org/application/o/par/"


async def ask(rig: Rig, assertion: str, **form: str) -> Response:
    return await rig.token(
        None,
        **{
            "grant_type": "client_credentials",
            "client_id": "wiki",
            "client_assertion_type": JWT_BEARER,
            "client_assertion": assertion,
            **form,
        },
    )


async def push(rig: Rig, key: Key, audience: object) -> Response:
    form = {
        "client_assertion_type": JWT_BEARER,
        "client_assertion": key.assertion(rig.now, aud=audience),
        "response_type": "code",
        "redirect_uri": CALLBACK,
    }
    return await rig.call("POST", "/application/o/par/", form=form)


def denied(response: Response) -> bool:
    return response.status == 401 and json_of(response)["error"] == "invalid_client"


class TestPrivateKey:
    @pytest.fixture
    def key(self, rig: Rig) -> Key:
        key = Key()
        rig.change(provider(1, token_endpoint_auth_method="private_key_jwt", jwks=key.jwks))
        return key

    async def test_it_works_at_every_endpoint(self, rig: Rig, key: Key) -> None:
        response = await ask(rig, key.assertion(rig.now), scope="openid")
        assert response.status == 200, response.body
        token = json_of(response)["access_token"]
        for path in ("introspect", "revoke"):
            form = {
                "client_assertion_type": JWT_BEARER,
                "client_assertion": key.assertion(rig.now, aud=ISSUER),
                "token": token,
            }
            answer = await rig.call("POST", f"/application/o/{path}/", form=form)
            assert answer.status == 200, answer.body

    async def test_code_and_refresh(self, rig: Rig, key: Key) -> None:
        await rig.browser.sign_in()
        code = await rig.browser.code()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        tokens = json_of(await ask(rig, key.assertion(rig.now), **form))
        refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        assert (await ask(rig, key.assertion(rig.now), **refresh)).status == 200

    @pytest.mark.parametrize("kind", ["rsa", "ed"])
    async def test_other_keys(self, rig: Rig, kind: str) -> None:
        key = Key(kind)
        rig.change(provider(1, token_endpoint_auth_method="private_key_jwt", jwks=key.jwks))
        assert (await ask(rig, key.assertion(rig.now))).status == 200

    @pytest.mark.parametrize("issuer", [ISSUER, TOKEN_URL])
    async def test_audiences(self, rig: Rig, key: Key, issuer: str) -> None:
        assert (await ask(rig, key.assertion(rig.now, aud=issuer))).status == 200

    @pytest.mark.parametrize(
        "audience",
        [
            [ISSUER],
            [ISSUER, TOKEN_URL],
            PAR_URL,
            ISSUER.rstrip("/"),
            "https://id.example.org/application/o/introspect/",
        ],
    )
    async def test_a14_an_audience_is_one_text_of_ours(self, rig: Rig, key: Key, audience: object) -> None:
        """A list is made for somebody else too, who could pass the assertion on."""
        assert denied(await ask(rig, key.assertion(rig.now, aud=audience)))

    @pytest.mark.parametrize(
        ("audience", "status"), [(ISSUER, 201), (TOKEN_URL, 201), (PAR_URL, 201), ([PAR_URL], 401)]
    )
    async def test_audiences_of_pushed_requests(self, rig: Rig, key: Key, audience: object, status: int) -> None:
        assert (await push(rig, key, audience)).status == status

    @pytest.mark.parametrize("demand", [{"dpop": "required"}, {"tls_client_certificate_bound_access_tokens": True}])
    async def test_who_must_bind_tokens_names_the_issuer(self, rig: Rig, demand: dict[str, object]) -> None:
        """FAPI 2.0 Security Profile 5.3.2.1."""
        key = Key()
        rig.change(provider(1, token_endpoint_auth_method="private_key_jwt", jwks=key.jwks, **demand))
        assert (await push(rig, key, ISSUER)).status == 201
        for audience in (TOKEN_URL, PAR_URL, [ISSUER]):
            assert denied(await push(rig, key, audience))

    async def test_the_jti_counts_once(self, both: Rig) -> None:
        key = Key()
        both.change(provider(1, token_endpoint_auth_method="private_key_jwt", jwks=key.jwks))
        assertion = key.assertion(both.now)
        answers = await asyncio.gather(*(ask(both, assertion) for _ in range(20)))
        assert sorted(one.status for one in answers) == [200, *[401] * 19]
        both.now += 89 * SECOND
        assert denied(await ask(both, assertion))

    async def test_it_is_used_up_even_when_the_grant_fails(self, rig: Rig, key: Key) -> None:
        assertion = key.assertion(rig.now)
        assert (await ask(rig, assertion, grant_type="authorization_code", code="x")).status == 400
        assert denied(await ask(rig, assertion))

    @pytest.mark.parametrize(
        "claims",
        [
            {"iss": "other"}, {"sub": "other"}, {"iss": None}, {"sub": None}, {"jti": None}, {"jti": "x" * 600},
            {"exp": None}, {"aud": None}, {"aud": "https://evil.example.org"}, {"aud": []}, {"aud": [1]},
            {"exp": "soon"}, {"exp": True}, {"iat": 1_700_000_100}, {"nbf": 1_700_000_100},
            {"exp": 1_700_000_000 - 31}, {"exp": 1_700_000_000 + 3700}, {"exp": 10**400},
        ],
    )  # fmt: skip
    async def test_wrong_claims(self, rig: Rig, key: Key, claims: dict[str, Any]) -> None:
        assert denied(await ask(rig, key.assertion(rig.now, **claims)))

    @pytest.mark.parametrize(
        "header", [{"alg": "none"}, {"alg": "HS256"}, {"alg": "RS256"}, {"alg": None}, {"crit": ["x"]}]
    )
    async def test_a14_wrong_headers(self, rig: Rig, key: Key, header: dict[str, object]) -> None:
        assert denied(await ask(rig, key.assertion(rig.now, header=header)))

    async def test_a14_keys_that_come_along(self, rig: Rig, key: Key) -> None:
        stranger = Key()
        for header in ({"jwk": stranger.jwk}, {"jku": "https://evil.example.org/jwks"}, {"kid": "../../x"}):
            assert denied(await ask(rig, stranger.assertion(rig.now, header=header)))

    async def test_a14_the_public_key_is_no_secret(self, rig: Rig, key: Key) -> None:
        data = f"{b64(json.dumps({'alg': 'HS256'}).encode())}.{b64(json.dumps(assertion_claims(rig.now)).encode())}"
        for octets in (json.dumps(key.jwk).encode(), key.jwk["x"].encode(), SECRET.encode()):
            forged = f"{data}.{b64(hmac.digest(octets, data.encode(), 'sha256'))}"
            assert denied(await ask(rig, forged))

    async def test_other_ways_do_not_count(self, rig: Rig, key: Key) -> None:
        assert denied(await rig.token(grant_type="client_credentials"))
        assert denied(await rig.token(None, client_id="wiki", client_secret=SECRET, grant_type="client_credentials"))
        assert denied(await rig.token(None, client_id="wiki", grant_type="refresh_token", refresh_token="x"))
        response = await rig.call(
            "POST",
            "/application/o/token/",
            form={"client_assertion": key.assertion(rig.now), "client_assertion_type": JWT_BEARER},
            headers={"authorization": "Basic d2lraTp4"},
        )
        assert json_of(response)["error"] == "invalid_request"

    async def test_the_client_must_be_itself(self, rig: Rig, key: Key) -> None:
        rig.change(provider(2, client_id="other", token_endpoint_auth_method="private_key_jwt", jwks=Key().jwks))
        assert denied(await ask(rig, key.assertion(rig.now), client_id="other"))
        rig.change(provider(2, client_id="other", token_endpoint_auth_method="private_key_jwt", jwks=key.jwks))
        assert denied(await ask(rig, key.assertion(rig.now), client_id="other"))

    @pytest.mark.parametrize("text", ["", "a.b.c", "....", "é", "x" * 40_000, "e30.e30."])
    async def test_no_assertion_at_all(self, rig: Rig, key: Key, text: str) -> None:
        assert denied(await ask(rig, text))


class TestSecretJwt:
    @staticmethod
    def signed(claims: object, secret: str = SECRET, alg: str = "HS256") -> str:
        data = f"{b64(json.dumps({'alg': alg}).encode())}.{b64(json.dumps(claims).encode())}"
        return f"{data}.{b64(hmac.digest(secret.encode(), data.encode(), 'sha256'))}"

    async def test_it_works_once(self, rig: Rig) -> None:
        rig.change(provider(1, token_endpoint_auth_method="client_secret_jwt"))
        assertion = self.signed(assertion_claims(rig.now))
        assert (await ask(rig, assertion)).status == 200
        assert denied(await ask(rig, assertion))

    async def test_refusals(self, rig: Rig) -> None:
        key = Key()
        rig.change(provider(1, token_endpoint_auth_method="client_secret_jwt", jwks=key.jwks))
        claims = assertion_claims(rig.now)
        assert denied(await ask(rig, self.signed(claims, secret="another secret that is long enough")))
        assert denied(await ask(rig, self.signed(claims, secret="")))
        assert denied(await ask(rig, self.signed(claims, alg="none")))
        assert denied(await ask(rig, key.assertion(rig.now)))
        assert denied(await rig.token(grant_type="client_credentials"))


@pytest.mark.parametrize(
    ("method", "basic", "post"), [("client_secret_basic", 200, 401), ("client_secret_post", 401, 200)]
)
async def test_one_way_of_sending_the_secret(rig: Rig, method: str, basic: int, post: int) -> None:
    rig.change(provider(1, token_endpoint_auth_method=method))
    assert (await rig.token(grant_type="client_credentials")).status == basic
    form = {"grant_type": "client_credentials", "client_id": "wiki", "client_secret": SECRET}
    assert (await rig.token(None, **form)).status == post


async def test_strangers_and_wrong_secrets_look_alike(rig: Rig) -> None:
    bodies = []
    for name, secret in (("nobody", "x"), ("wiki", "x")):
        response = await rig.token((name, secret), grant_type="authorization_code", code="x")
        body, headers = json_of(response), dict(response.headers)
        assert body.pop("request_id") == headers.pop("x-authentik-id")
        bodies.append((response.status, body, headers))
    assert bodies[0] == bodies[1]


class TestSecretsInBasic:
    """RFC 6749 2.3.1 wants name and secret form-encoded; many clients send them as they are."""

    def header(self, text: str) -> dict[str, str]:
        return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}

    async def sent(self, rig: Rig, text: str) -> int:
        form = {"grant_type": "client_credentials"}
        return (await rig.call("POST", "/application/o/token/", form=form, headers=self.header(text))).status

    @pytest.mark.parametrize(
        ("secret", "readings"),
        [
            ("a space", ["a+space", "a%20space", "a space"]),
            ("a+plus", ["a%2Bplus", "a+plus"]),
            ("%41", ["%2541", "%41"]),
            ("100%", ["100%25", "100%"]),
            ("a+b c%20d", ["a%2Bb+c%2520d", "a+b c%20d"]),
            ("a:colon", ["a%3Acolon", "a:colon"]),
            ("%FF", ["%25FF", "%FF"]),
            ("plain", ["plain", "%70lain"]),
        ],
    )
    async def test_encoded_and_as_it_is(self, rig: Rig, secret: str, readings: list[str]) -> None:
        rig.change(provider(1, client_secret=Secret(secret)))
        for text in readings:
            assert await self.sent(rig, f"wiki:{text}") == 200, text
        assert await self.sent(rig, "wiki:" + readings[0] + "x") == 401

    @pytest.mark.parametrize(("client_id", "text"), [("my wiki", "my+wiki"), ("my%41", "my%2541"), ("my%41", "my%41")])
    async def test_the_name_as_well(self, rig: Rig, client_id: str, text: str) -> None:
        rig.change(provider(1, client_id=client_id, client_secret=Secret("plain")))
        assert await self.sent(rig, f"{text}:plain") == 200

    async def test_an_empty_secret_has_no_reading(self, rig: Rig) -> None:
        rig.change(provider(1, client_secret=Secret(""), token_endpoint_auth_method="secret"))
        for text in ("wiki:", "wiki:+", "wiki:%20"):
            assert await self.sent(rig, text) == 401

    async def test_a21_every_reading_is_compared(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        rig.change(provider(1, client_secret=Secret("a b")))
        seen: list[str] = []
        matches = Secret.matches
        monkeypatch.setattr(Secret, "matches", noting(lambda _, text: seen.append(text), matches))
        assert await self.sent(rig, "wiki:a+b") == 200
        assert seen == ["a b", "a+b"]
