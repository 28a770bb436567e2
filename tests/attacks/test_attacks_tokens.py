"""A08, A09, A11, A12, A14-A17, A19-A21: codes, tokens and keys."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from oauth2_rig import (
    CALLBACK,
    CHALLENGE,
    SECOND,
    SECRET,
    VERIFIER,
    Rig,
    answer_of,
    basic_header,
    json_of,
    make_rig,
    pair,
    provider,
    user,
)

from ostiary.directory.tokens import Tokens, recovery_link
from ostiary.grants.authorization_codes import CODE
from ostiary.grants.cascades import on_user_disabled
from ostiary.keys.pem import read_private_key
from ostiary.policies.resources import PolicyBinding
from ostiary.proto.jose import JoseError, SigningKey, sign, verify
from ostiary.proto.oauth2.authorization.pkce import CodeChallenge, verify_code_verifier
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.store.database import Database, Statement
from ostiary.store.hashing import token_hash
from ostiary.store.single_use import Purpose, Unknown, consume
from ostiary.store.workspace.commit import run
from ostiary.web.response import Response

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


async def exchange(rig: Rig, code: str, client: str = "wiki", **changes: str) -> Response:
    form = {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER, **changes}
    sent = {name: value for name, value in form.items() if value}
    return await rig.token((client, SECRET), grant_type="authorization_code", **sent)


async def refresh(rig: Rig, token: str, client: str = "wiki", **more: str) -> Response:
    return await rig.token((client, SECRET), grant_type="refresh_token", refresh_token=token, **more)


async def userinfo(rig: Rig, token: str) -> Response:
    return await rig.call("GET", "/application/o/userinfo/", headers={"authorization": f"Bearer {token}"})


async def introspect(rig: Rig, token: str, client: str = "wiki") -> dict[str, Any]:
    headers = {"authorization": basic_header(client, SECRET)}
    return json_of(await rig.call("POST", "/application/o/introspect/", form={"token": token}, headers=headers))


def refused(response: Response, error: str = "invalid_grant", status: int = 400) -> None:
    assert (response.status, json_of(response)["error"]) == (status, error)


# A08


async def test_a08_the_challenge_cannot_be_taken_out(rig: Rig) -> None:
    """The attacker strips code_challenge from the request; the client sends its verifier all the same (RFC 9700 4.8.2)."""
    await rig.browser.sign_in()
    code = await rig.browser.code(code_challenge="", code_challenge_method="")
    refused(await exchange(rig, code))


async def test_a08_the_verifier_cannot_be_left_out(rig: Rig) -> None:
    await rig.browser.sign_in()
    for verifier in ("", CHALLENGE, VERIFIER + "x", VERIFIER.lower(), "short"):
        refused(await exchange(rig, await rig.browser.code(), code_verifier=verifier))


async def test_a08_the_challenge_of_s256_is_no_plain_verifier(rig: Rig) -> None:
    await rig.browser.sign_in()
    refused(await exchange(rig, await rig.browser.code(), code_verifier=CHALLENGE))
    code = await rig.browser.code(code_challenge=VERIFIER, code_challenge_method="plain")
    refused(await exchange(rig, code, code_verifier=CHALLENGE))


@pytest.mark.parametrize("method", ["S512", "s256", "none", "PLAIN"])
async def test_a08_unknown_methods_are_not_plain(rig: Rig, method: str) -> None:
    await rig.browser.sign_in()
    answer = answer_of(await rig.browser.authorize(code_challenge_method=method))
    assert (answer["error"], "code" in answer) == ("invalid_request", False)


# A09


async def test_a09_a_replay_gives_nothing_and_takes_what_was_given(both: Rig) -> None:
    await both.browser.sign_in()
    code = await both.browser.code()
    first = json_of(await exchange(both, code))
    refused(await exchange(both, code))
    assert (await userinfo(both, first["access_token"])).status == 401
    refused(await refresh(both, first["refresh_token"]))
    assert len(await both.events("suspicious_request")) >= 1


async def test_a09_another_client_cannot_use_it(rig: Rig) -> None:
    await rig.browser.sign_in()
    refused(await exchange(rig, await rig.browser.code(), client="other"))


async def test_a09_nor_at_another_address(rig: Rig) -> None:
    await rig.browser.sign_in()
    for uri in ("", "https://app.example.org/bye", CALLBACK + "&y=2"):
        refused(await exchange(rig, await rig.browser.code(), redirect_uri=uri))


async def test_a09_nor_later(rig: Rig) -> None:
    await rig.browser.sign_in()
    code = await rig.browser.code()
    rig.now += 61 * SECOND
    refused(await exchange(rig, code))


async def test_a09_of_fifty_at_once_one_is_heard(both: Rig) -> None:
    await both.browser.sign_in()
    code = await both.browser.code()
    answers = await asyncio.gather(*(exchange(both, code) for _ in range(50)))
    good = [json_of(answer) for answer in answers if answer.status == 200]
    assert len(good) <= 1
    assert len(await both.rows("SELECT hash FROM access_token")) <= len(good)
    if good:  # a replay came before the answer was used: then it is dead already
        assert (await userinfo(both, good[0]["access_token"])).status in {200, 401}


# A11


async def test_a11_authorize_gives_only_what_the_application_may_have(rig: Rig) -> None:
    await rig.browser.sign_in()
    tokens = await rig.browser.tokens(scope="openid goauthentik.io/api admin offline_access")
    assert tokens["scope"] == "openid offline_access"
    assert (await introspect(rig, tokens["access_token"]))["scope"] == "openid offline_access"


async def test_a11_the_token_endpoint_does_not_widen(rig: Rig) -> None:
    await rig.browser.sign_in()
    code = await rig.browser.code(scope="openid offline_access")
    answer = await exchange(rig, code, scope="openid email goauthentik.io/api")
    if answer.status == 200:  # the parameter means nothing here (RFC 6749 4.1.3)
        assert json_of(answer)["scope"] == "openid offline_access"
        assert "email" not in json_of(await userinfo(rig, json_of(answer)["access_token"]))


async def test_a11_nor_does_a_refresh(rig: Rig) -> None:
    await rig.browser.sign_in()
    tokens = await rig.browser.tokens(scope="openid offline_access")
    refused(await refresh(rig, tokens["refresh_token"], scope="openid email offline_access"), "invalid_scope")
    narrow = json_of(await refresh(rig, tokens["refresh_token"], scope="openid"))
    assert narrow["scope"] == "openid"


# A12


@pytest.mark.parametrize(
    "grant", ["password", "implicit", TOKEN_EXCHANGE, "", "authorization_code ", "AUTHORIZATION_CODE", "__class__"]
)
async def test_a12_a_grant_that_is_not_there_gives_nothing(rig: Rig, grant: str) -> None:
    form: dict[str, Any] = {
        "grant_type": grant,
        "username": "ada",
        "password": "x",
        "scope": "openid",
        "code": "x",
        "refresh_token": "x",
    }
    response = await rig.token(**form)
    assert response.status == 400
    assert json_of(response)["error"] in {
        "unsupported_grant_type",
        "unauthorized_client",
        "invalid_request",
        "invalid_grant",
    }
    assert "access_token" not in json_of(response)


async def test_a12_a_public_client_has_no_right_of_its_own(rig: Rig) -> None:
    """client_credentials is for clients that can prove who they are (RFC 6749 4.4)."""
    rig.change(provider(1, client_type="public"))
    for basic in (None, ("wiki", SECRET), ("wiki", "")):
        response = await rig.token(basic, grant_type="client_credentials", client_id="wiki", scope="openid")
        assert response.status in {400, 401}
        assert "access_token" not in json_of(response)


# A14, A15


def b64(data: bytes | dict[str, Any]) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(rig: Rig) -> dict[str, str]:
    """ID tokens that no key of ours made, by the tricks that worked elsewhere."""
    key = pair("ec")
    public = key.certificate_data.encode()
    claims = b64({"iss": "https://id.example.org/application/o/wiki/", "aud": "wiki", "sub": "x", "exp": 9_999_999_999})
    mine = SigningKey(read_private_key(pair("rsa").key_data.reveal()), kid="mine")
    jwk = {"kty": "oct", "k": b64(b"k" * 32)}

    def hs(header: dict[str, Any], secret: bytes) -> str:
        signing = f"{b64(header)}.{claims}"
        return f"{signing}.{b64(hmac.digest(secret, signing.encode(), hashlib.sha256))}"

    return {
        "none": f"{b64({'alg': 'none'})}.{claims}.",
        "None": f"{b64({'alg': 'nOnE'})}.{claims}.AAAA",
        "no algorithm": f"{b64({'typ': 'JWT'})}.{claims}.AAAA",
        "public key as secret": hs({"alg": "HS256", "typ": "JWT"}, public),
        "empty secret": hs({"alg": "HS256", "typ": "JWT"}, b""),
        "null kid": hs({"alg": "HS256", "kid": None}, b""),
        "kid is a path": hs({"alg": "HS256", "kid": "../../../dev/null"}, b""),
        "kid is SQL": hs({"alg": "HS256", "kid": "x' UNION SELECT 'a"}, b"a"),
        "jwk": hs({"alg": "HS256", "jwk": jwk}, b"k" * 32),
        "jku": hs({"alg": "HS256", "jku": "https://evil.example/jwks"}, b"k" * 32),
        "x5u": hs({"alg": "HS256", "x5u": "https://evil.example/cert"}, b"k" * 32),
        "another key": sign(base64.urlsafe_b64decode(claims + "=="), mine),
        "crit": hs({"alg": "HS256", "crit": ["b64"], "b64": False}, SECRET.encode()),
        "empty signature": f"{b64({'alg': 'ES256'})}.{claims}.{b64(bytes(64))}",
        "encrypted": f"{b64({'alg': 'dir', 'enc': 'A256GCM'})}..{b64(bytes(12))}.{claims}.{b64(bytes(16))}",
    }


FORGED = (
    "none", "None", "no algorithm", "public key as secret", "empty secret", "null kid", "kid is a path", "kid is SQL", "jwk",
    "jku", "x5u", "another key", "crit", "empty signature", "encrypted",
)  # fmt: skip


@pytest.mark.parametrize("trick", FORGED)
async def test_a14_a15_a_forged_hint_is_refused(rig: Rig, trick: str) -> None:
    """id_token_hint is the one place where a token of ours comes back through a browser."""
    await rig.browser.sign_in()
    query = urlencode({"id_token_hint": forged(rig)[trick]})
    response = await rig.browser.get(f"/application/o/wiki/end-session/?{query}")
    assert response.status == 302
    shown = await rig.browser.look("leave")  # it ends nothing by itself: the person is asked
    assert shown.fields["confirm"] is True
    if trick != "encrypted":  # that only the client can read: it counts as none
        assert shown.fields["notices"] == ["hint"]
    tokens = await rig.browser.tokens()  # the session is still there
    good = await rig.browser.get(f"/application/o/wiki/end-session/?{urlencode({'id_token_hint': tokens['id_token']})}")
    assert good.status in {302, 303}


@pytest.mark.parametrize("trick", FORGED)
async def test_a14_a15_a_forged_access_token_is_refused(rig: Rig, trick: str) -> None:
    token = forged(rig)[trick]
    assert (await userinfo(rig, token)).status in {400, 401}
    assert await introspect(rig, token) == {"active": False}


def test_a14_the_key_decides_the_algorithm() -> None:
    """A token that names another algorithm is refused, even when the octets are right for the key (RFC 8725 3.1)."""
    keys = [SigningKey(read_private_key(pair(name).key_data.reveal())) for name in ("ec", "rsa")]
    keys.append(SigningKey(b"s" * 32))
    for key in keys:
        for name in {"none", "HS256", "HS512", "RS256", "RS384", "PS256", "ES256", "ES384", "EdDSA", ""} - {
            key.algorithm
        }:
            signing = f"{b64({'alg': name, 'typ': 'JWT'})}.{b64({'sub': 'x'})}"
            token = f"{signing}.{b64(key.signature(signing.encode()))}"
            with pytest.raises(JoseError):
                verify(token, [one.verifying() for one in keys])


# A16


async def test_a16_a_token_of_one_application_is_nothing_to_another(rig: Rig) -> None:
    await rig.browser.sign_in()
    tokens = await rig.browser.tokens()
    for name in ("access_token", "refresh_token", "id_token"):
        assert await introspect(rig, tokens[name], "other") == {"active": False}
    refused(await refresh(rig, tokens["refresh_token"], "other"))
    for name in ("access_token", "refresh_token"):
        await rig.call(
            "POST",
            "/application/o/revoke/",
            form={"token": tokens[name]},
            headers={"authorization": basic_header("other", SECRET)},
        )
    assert (await userinfo(rig, tokens["access_token"])).status == 200
    assert (await refresh(rig, tokens["refresh_token"])).status == 200


async def test_a16_only_an_access_token_opens_userinfo(rig: Rig) -> None:
    await rig.browser.sign_in()
    code = await rig.browser.code()
    tokens = await rig.browser.tokens()
    for other in (tokens["id_token"], tokens["refresh_token"], code, SECRET):
        assert (await userinfo(rig, other)).status in {400, 401}


async def test_a16_userinfo_tells_what_that_application_may_know(rig: Rig) -> None:
    rig.change(provider(2, client_id="other", property_mappings=("goauthentik.io/providers/oauth2/scope-openid",)))
    await rig.browser.sign_in()
    code = await rig.browser.code(client_id="other")
    token = json_of(await exchange(rig, code, "other"))["access_token"]
    assert set(json_of(await userinfo(rig, token))) == {"sub", "nonce"}


async def test_a16_an_altered_token_is_no_token(rig: Rig) -> None:
    await rig.browser.sign_in()
    token = (await rig.browser.tokens())["access_token"]
    head, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    for changed in (
        f"{head}.{b64({**claims, 'sub': 'root'})}.{signature}",
        f"{head}.{payload}.",
        token + "=",
        f"{head}.{payload}.{signature[:-4]}AAAA",
    ):
        assert (await userinfo(rig, changed)).status in {400, 401}
        assert await introspect(rig, changed) == {"active": False}


# A17

ODD = ("x" * 40_000, "." * 2000, "a.b.c", "\x00", "é" * 500, "null", "{}", "[" * 5000, "e30.e30." + "A" * 9000)


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
async def test_a17_an_odd_token_fails_closed(rig: Rig, odd: str) -> None:
    """It is refused as a whole; nobody goes on with the rights of the client alone."""
    forms: list[dict[str, str]] = [
        {"grant_type": TOKEN_EXCHANGE, "subject_token": odd, "subject_token_type": "urn:ietf:params:oauth:token-type:access_token"},
        {"grant_type": JWT_BEARER, "assertion": odd},
        {"grant_type": "refresh_token", "refresh_token": odd},
        {"grant_type": "authorization_code", "code": odd, "redirect_uri": CALLBACK},
        {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": odd,
            "client_id": "wiki",
        },
    ]  # fmt: skip
    for form in forms:
        response = await rig.token(None if "client_assertion" in form else ("wiki", SECRET), **form)
        assert response.status in {400, 401, 413}, response.body
        assert b"access_token" not in response.body
    found = await rig.call(
        "POST",
        "/application/o/introspect/",
        form={"token": odd},
        headers={"authorization": basic_header("wiki", SECRET)},
    )
    assert b'"active":true' not in found.body.replace(b" ", b"")


def test_a17_nothing_longer_than_a_token_is_read() -> None:
    key = SigningKey(b"k" * 32)
    assert verify(sign(b"x" * 30_000, key), [key.verifying()]).payload == b"x" * 30_000
    with pytest.raises(JoseError):
        verify(sign(b"x" * 70_000, key), [key.verifying()])


# A19


async def test_a19_a_refresh_asks_everything_again(rig: Rig) -> None:
    await rig.browser.sign_in()
    token = (await rig.browser.tokens())["refresh_token"]
    rig.change(PolicyBinding(pk="block", target="app", group="nobody", order=0))
    refused(await refresh(rig, token))
    rig.drop("authentik_policies.policybinding", "block")
    await rig.run(_active(7, 0))
    refused(await refresh(rig, token))
    await rig.run(_active(7, 1))
    assert (await refresh(rig, token)).status == 200


def _active(pk: int, value: int) -> Statement:
    """Change the row alone: what hangs on the person stays, so that the check itself is seen."""
    return Statement("UPDATE directory_user SET is_active = ? WHERE pk = ?", (value, pk))


async def test_a19_without_offline_access_it_ends_with_the_session(both: Rig) -> None:
    await both.browser.sign_in()
    tokens = await both.browser.tokens(scope="openid email")
    await both.browser.sign_out()
    assert (await userinfo(both, tokens["access_token"])).status == 401
    assert await introspect(both, tokens["access_token"]) == {"active": False}


async def test_a19_reuse_ends_the_family(both: Rig) -> None:
    await both.browser.sign_in()
    first = (await both.browser.tokens())["refresh_token"]
    second = json_of(await refresh(both, first))
    third = json_of(await refresh(both, second["refresh_token"]))
    refused(await refresh(both, first))
    refused(await refresh(both, third["refresh_token"]))
    assert (await userinfo(both, third["access_token"])).status == 401


async def test_a19_of_fifty_at_once_one_line_lives_on(both: Rig) -> None:
    await both.browser.sign_in()
    token = (await both.browser.tokens())["refresh_token"]
    answers = await asyncio.gather(*(refresh(both, token) for _ in range(50)))
    lines = [json_of(answer)["refresh_token"] for answer in answers if answer.status == 200]
    assert lines
    went_on = [answer for answer in [await refresh(both, line) for line in lines] if answer.status == 200]
    assert len({json_of(answer)["refresh_token"] for answer in went_on}) == 1


async def test_a19_the_memory_of_reuse_survives_a_restart(database: Database) -> None:
    """Nothing of it is in the process: a new process on the same database knows all."""
    before = await make_rig(database)
    await before.browser.sign_in()
    code = await before.browser.code()
    first = json_of(await exchange(before, code))
    second = json_of(await refresh(before, first["refresh_token"]))
    assert (await refresh(before, second["refresh_token"])).status == 200
    after = await _restarted(before)
    refused(await refresh(after, first["refresh_token"]))
    refused(await refresh(after, second["refresh_token"]))
    refused(await exchange(after, code))


async def _restarted(rig: Rig) -> Rig:
    """The same database under rooms that were built anew."""
    database = rig.database._database
    await rig.run(Statement("DELETE FROM directory_user WHERE pk IN (7, 8, 9)"))  # the rig makes them again
    again = await make_rig(database)
    again.now = rig.now + 1
    return again


# A20


async def test_a20_a_value_is_good_for_what_it_was_made_for_only(rig: Rig) -> None:
    await rig.browser.sign_in()
    code = await rig.browser.code()
    tokens = await rig.browser.tokens()
    refused(await refresh(rig, code))
    refused(await exchange(rig, tokens["refresh_token"]))
    refused(await exchange(rig, tokens["access_token"]))
    assert (await exchange(rig, code)).status == 200


async def test_a20_a_recovery_link_is_no_code_and_no_token(rig: Rig) -> None:
    key, statement = recovery_link(user(7, "ada"), without_mfa=False, now=rig.now)
    await rig.run(statement)
    refused(await exchange(rig, key.reveal()))
    refused(await refresh(rig, key.reveal()))
    assert (await userinfo(rig, key.reveal())).status == 401
    database: Any = rig.database
    tokens = Tokens(database, Sealer(Secret("k" * 50)))
    await rig.browser.sign_in()
    given = await rig.browser.tokens()
    for other in (await rig.browser.code(), given["refresh_token"], given["access_token"]):
        assert await tokens.consume_recovery(Secret(other), rig.now) is None
        assert await tokens.bearer(Secret(other), rig.now) is None
    assert await tokens.consume_recovery(key, rig.now) is not None


@pytest.mark.parametrize(
    "namespace", ["flows.setup", "directory.recovery", "oauth2.par", "oauth2.device", "oauth2.cod", "oauth2.code "]
)
async def test_a20_the_store_keeps_purposes_apart(both: Rig, namespace: str) -> None:
    """The same value under another purpose's name is unknown, and is not used up by the attempt."""
    await both.browser.sign_in()
    code = await both.browser.code()
    other: Purpose[Any] = Purpose(namespace)
    assert CODE.namespace != namespace
    for tombstone in (True, False):
        found = await both.database.write(lambda: consume(other, token_hash(code), now=both.now, tombstone=tombstone))  # noqa: B023
        assert isinstance(found, Unknown)
    assert (await exchange(both, code)).status == 200


# A21


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """What was handed to hmac.compare_digest."""
    seen: list[tuple[Any, Any]] = []
    real = hmac.compare_digest

    def spy(one: Any, other: Any) -> bool:
        seen.append((one, other))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    return seen


async def test_a21_secrets_are_compared_in_constant_time(rig: Rig, compared: list[tuple[Any, Any]]) -> None:
    for basic in (("wiki", "wrong"), ("nobody", "wrong"), ("wiki", SECRET)):
        compared.clear()
        await rig.token(basic, grant_type="authorization_code", code="x", redirect_uri=CALLBACK)
        assert any(basic[1].encode() in pair for pair in compared), basic


def test_a21_verifiers_and_signatures_too(compared: list[tuple[Any, Any]]) -> None:
    verify_code_verifier(CodeChallenge(CHALLENGE, "S256"), VERIFIER)
    assert (CHALLENGE, CHALLENGE) in compared
    compared.clear()
    key = SigningKey(b"k" * 32)
    verify(sign(b"{}", key), [key.verifying()])
    assert compared


async def test_a21_an_unknown_client_looks_like_a_wrong_secret(rig: Rig) -> None:
    bodies = []
    for basic in (("wiki", "wrong"), ("nobody", "wrong"), ("", "wrong")):
        response = await rig.token(basic, grant_type="authorization_code", code="x", redirect_uri=CALLBACK)
        body = {name: value for name, value in json_of(response).items() if name != "request_id"}
        bodies.append((response.status, body, response.header("www-authenticate")))
    assert bodies[0] == bodies[1] == bodies[2]


# A58 where tokens are concerned


async def test_a58_a_disabled_person_has_nothing_left(both: Rig) -> None:
    await both.browser.sign_in()
    code, tokens = await both.browser.code(), await both.browser.tokens()
    await both.run(_active(7, 0))
    refused(await exchange(both, code))
    refused(await refresh(both, tokens["refresh_token"]))
    assert (await userinfo(both, tokens["access_token"])).status == 401
    response = await both.browser.authorize(prompt="none")
    assert answer_of(response)["error"] == "login_required"


async def test_a58_disabling_ends_what_was_issued(both: Rig) -> None:
    await both.browser.sign_in()
    code, tokens = await both.browser.code(), await both.browser.tokens()
    statements = list(on_user_disabled(7))
    await both.database.write(lambda: run(statements))
    assert await introspect(both, tokens["access_token"]) == {"active": False}
    assert await introspect(both, tokens["refresh_token"]) == {"active": False}
    refused(await refresh(both, tokens["refresh_token"]))
    refused(await exchange(both, code))


async def test_a58_a_removed_application_serves_nobody(rig: Rig) -> None:
    await rig.browser.sign_in()
    code, tokens = await rig.browser.code(), await rig.browser.tokens()
    rig.drop("authentik_core.application", "app")
    refused(await exchange(rig, code), "invalid_client", 401)
    refused(await refresh(rig, tokens["refresh_token"]), "invalid_client", 401)
    assert (await userinfo(rig, tokens["access_token"])).status == 401
    assert (await rig.browser.authorize()).status == 400
