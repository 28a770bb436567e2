"""Requests as clients send them, and as attackers do."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.proto.oauth2 import errors
from ostiary.proto.oauth2.authorization.pkce import (
    CodeChallenge,
    derive_challenge,
    parse_challenge,
    verify_code_verifier,
)
from ostiary.proto.oauth2.authorization.request import parse_request, parse_target
from ostiary.proto.oauth2.authorization.response import ResponseTarget, error_pairs, response_pairs, response_url
from ostiary.proto.oauth2.bearer import challenge, parse_bearer
from ostiary.proto.oauth2.clients.authentication import parse_client
from ostiary.proto.oauth2.errors import OAuthError
from ostiary.proto.oauth2.parameters import Parameters, read_parameters
from ostiary.proto.oauth2.scope import grant_scopes, narrow_scope, parse_scope
from ostiary.proto.oauth2.token import TokenResponse, parse_code_request, parse_refresh_request

# RFC 7636 appendix B
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def of(**values: str) -> Parameters:
    return read_parameters(values.items())


def code_of(raised: pytest.ExceptionInfo[OAuthError]) -> str:
    return raised.value.code


class TestParameters:
    def test_empty_ones_are_omitted(self) -> None:
        assert read_parameters([("a", "")]).get("a") is None

    def test_a07_a_repeated_one_is_refused(self) -> None:
        found = read_parameters([("a", "1"), ("a", "1"), ("b", "2")])
        assert found.get("b") == "2"
        checks: tuple[Callable[[], object], ...] = (
            lambda: found.get("a"),
            lambda: found.need("a"),
            found.require_single,
        )
        for check in checks:
            with pytest.raises(OAuthError) as raised:
                check()
            assert code_of(raised) == "invalid_request"
        found.require_single(but=frozenset({"a"}))

    def test_a_missing_one_is_named(self) -> None:
        with pytest.raises(OAuthError, match="missing") as raised:
            of().need("code")
        assert "code" in raised.value.description


class TestScope:
    def test_order_is_kept_and_repetition_dropped(self) -> None:
        assert parse_scope(" openid  email openid") == ("openid", "email")

    @pytest.mark.parametrize("text", ['"', "\\", "a\nb", "é", "\x7f"])
    def test_characters(self, text: str) -> None:
        with pytest.raises(OAuthError) as raised:
            parse_scope(text)
        assert code_of(raised) == "invalid_scope"

    def test_a11_nothing_wider_is_granted(self) -> None:
        assert grant_scopes(("openid", "admin"), ("openid", "email")) == ("openid",)
        assert grant_scopes((), ("openid", "email")) == ("email", "openid")
        assert narrow_scope(("openid",), ("openid", "email")) == ("openid",)
        assert narrow_scope((), ("openid", "email")) == ("openid", "email")
        with pytest.raises(OAuthError):
            narrow_scope(("openid", "admin"), ("openid", "email"))


class TestProofKey:
    def test_the_example_of_the_rfc(self) -> None:
        assert derive_challenge(VERIFIER, "S256") == CHALLENGE
        verify_code_verifier(CodeChallenge(CHALLENGE, "S256"), VERIFIER)
        verify_code_verifier(CodeChallenge(VERIFIER, "plain"), VERIFIER)
        verify_code_verifier(None, None)

    def test_plain_is_the_default(self) -> None:
        assert parse_challenge(VERIFIER, None) == CodeChallenge(VERIFIER, "plain")
        assert parse_challenge(CHALLENGE, "S256") == CodeChallenge(CHALLENGE, "S256")
        assert parse_challenge(None, None) is None

    @pytest.mark.parametrize(
        ("value", "method"),
        [
            (None, "S256"),
            (CHALLENGE, "S512"),
            (CHALLENGE, "s256"),
            ("short", "S256"),
            ("short", "plain"),
            (CHALLENGE + "=", "S256"),
            ("é" * 43, "plain"),
        ],
    )
    def test_malformed_challenges(self, value: str | None, method: str) -> None:
        with pytest.raises(OAuthError) as raised:
            parse_challenge(value, method)
        assert code_of(raised) == "invalid_request"

    @pytest.mark.parametrize(
        ("kept", "sent"),
        [
            (CodeChallenge(CHALLENGE, "S256"), None),
            (CodeChallenge(CHALLENGE, "S256"), VERIFIER[:-1] + "x"),
            (CodeChallenge(CHALLENGE, "S256"), CHALLENGE),
            (CodeChallenge(CHALLENGE, "S256"), "short"),
            (CodeChallenge(CHALLENGE, "S256"), "é" * 43),
            (CodeChallenge(VERIFIER, "plain"), CHALLENGE),
            (None, VERIFIER),
        ],
    )
    def test_a08_wrong_missing_and_unasked_verifiers(self, kept: CodeChallenge | None, sent: str | None) -> None:
        with pytest.raises(OAuthError) as raised:
            verify_code_verifier(kept, sent)
        assert code_of(raised) == "invalid_grant"
        assert raised.value.description == errors.DESCRIPTIONS["invalid_grant"]


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


class TestClient:
    def test_three_ways(self) -> None:
        one = parse_client(basic(f"{quote('a:b', safe='')}:{quote('s:%é', safe='')}"), of())
        assert (one.client_id, one.secret, one.method) == ("a:b", "s:%é", "client_secret_basic")
        two = parse_client(None, of(client_id="a", client_secret="s"))
        assert (two.client_id, two.secret, two.method) == ("a", "s", "client_secret_post")
        three = parse_client("Bearer x", of(client_id="a"))
        assert (three.client_id, three.secret, three.method) == ("a", None, "none")

    def test_the_scheme_has_no_case_and_plus_is_plus(self) -> None:
        assert parse_client(basic("a:b+c").replace("Basic", "bAsIc"), of(client_id="a")).secret == "b+c"

    def test_the_secret_is_not_shown(self) -> None:
        assert "hidden" not in repr(parse_client(None, of(client_id="a", client_secret="hidden")))

    @pytest.mark.parametrize(
        ("header", "parameters", "code"),
        [
            (None, {}, "invalid_client"),
            (basic("nocolon"), {}, "invalid_client"),
            (basic(":secret"), {}, "invalid_client"),
            ("Basic !!!", {}, "invalid_client"),
            ("Basic " + base64.b64encode(b"\xff:x").decode(), {}, "invalid_client"),
            ("Basic " + "a" * 9000, {}, "invalid_client"),
            (basic("a:b"), {"client_secret": "b"}, "invalid_request"),
            (basic("a:b"), {"client_id": "c"}, "invalid_request"),
        ],
    )
    def test_refused(self, header: str | None, parameters: dict[str, str], code: str) -> None:
        with pytest.raises(OAuthError) as raised:
            parse_client(header, of(**parameters))
        assert code_of(raised) == code

    @given(st.text(max_size=60), st.dictionaries(st.sampled_from(["client_id", "client_secret"]), st.text()))
    def test_any_header(self, header: str, parameters: dict[str, str]) -> None:
        for value in (header, "Basic " + header, basic(header.encode("utf-8", "replace").decode())):
            with suppress(OAuthError):
                assert parse_client(value, of(**parameters)).client_id


class TestAuthorize:
    def test_a_plain_request(self) -> None:
        found = parse_request(
            of(
                response_type="code",
                scope="openid email",
                nonce="n",
                prompt="login select_account",
                max_age="60",
                code_challenge=CHALLENGE,
                code_challenge_method="S256",
                login_hint="me",
                ui_locales="de en",
            )
        )
        assert found.scope == ("openid", "email")
        assert found.prompt == {"login", "select_account"}
        assert found.ui_locales == ("de", "en")
        assert found.max_age == 60
        assert found.challenge == CodeChallenge(CHALLENGE, "S256")

    @pytest.mark.parametrize(
        ("extra", "code"),
        [
            ({"response_type": "none"}, "unsupported_response_type"),
            ({"response_type": "code  token"}, "unsupported_response_type"),
            ({"response_type": ""}, "invalid_request"),
            ({"response_type": "code id_token"}, "invalid_request"),
            ({"response_mode": "form_post", "redirect_uri": "com.example:/cb"}, "invalid_request"),
            ({"response_type": "code token", "response_mode": "query"}, "invalid_request"),
            ({"response_type": "code token", "response_mode": "query.jwt"}, "invalid_request"),
            ({"max_age": "-1"}, "invalid_request"),
            ({"max_age": "٣"}, "invalid_request"),
            ({"max_age": "9" * 11}, "invalid_request"),
            ({"prompt": "none login"}, "invalid_request"),
            ({"state": "x" * 8193}, "invalid_request"),
            ({"nonce": "x" * 8193}, "invalid_request"),
            ({"code_challenge_method": "S256"}, "invalid_request"),
            ({"scope": '"'}, "invalid_scope"),
        ],
    )
    def test_refused(self, extra: dict[str, str], code: str) -> None:
        with pytest.raises(OAuthError) as raised:
            parse_request(of(**{"response_type": "code", **extra}))
        assert code_of(raised) == code

    def test_a07_the_target_never_fails(self) -> None:
        assert parse_target(of(response_mode="fragment", state="s"), "https://a/b") == ResponseTarget(
            "https://a/b", "fragment", "s"
        )
        assert parse_target(of(response_mode="odd"), "https://a/b").delivery == "query"
        assert parse_target(of(response_type="id_token"), "https://a/b").delivery == "fragment"
        assert parse_target(of(response_type="token", response_mode="query"), "https://a/b").delivery == "fragment"
        assert parse_target(of(response_mode="form_post"), "com.example:/cb").delivery == "query"
        assert parse_target(of(response_mode="jwt"), "https://a/b") == ResponseTarget(
            "https://a/b", "query", None, signed=True
        )
        twice = read_parameters(
            [("state", "1"), ("state", "2"), ("response_mode", "fragment"), ("response_mode", "query")]
        )
        assert parse_target(twice, "https://a/b") == ResponseTarget("https://a/b", "query", None)
        assert parse_target(of(state="x" * 9000), "https://a/b").state is None

    def test_a10_answers_name_the_issuer(self) -> None:
        target = ResponseTarget("https://a/b", "query", "s t")
        assert (
            response_url(target, response_pairs(target, [("code", "c")], issuer="https://i/"))
            == "https://a/b?code=c&state=s%20t&iss=https%3A%2F%2Fi%2F"
        )
        failed = error_pairs(OAuthError("access_denied", "a secret reason"))
        url = response_url(ResponseTarget("https://a/b", "fragment", None), failed)
        assert url.startswith("https://a/b#error=access_denied&error_description=")
        assert "secret" not in url

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["response_type", "scope", "prompt", "max_age", "code_challenge", "state"]), st.text()
            )
        )
    )
    def test_any_request_is_read_or_refused(self, pairs: list[tuple[str, str]]) -> None:
        with suppress(OAuthError):
            parse_request(read_parameters([("response_type", "code"), *pairs]))


class TestToken:
    def test_requests(self) -> None:
        assert parse_code_request(of(code="c", redirect_uri="u", code_verifier="v")).verifier == "v"
        assert parse_refresh_request(of(refresh_token="r", scope="a b")).scope == ("a", "b")
        with pytest.raises(OAuthError):
            parse_code_request(of())
        with pytest.raises(OAuthError):
            parse_refresh_request(of())

    def test_answers(self) -> None:
        body = TokenResponse("a", 60, ("openid", "email"), "i", None).body()
        assert body == {
            "access_token": "a",
            "token_type": "Bearer",
            "scope": "openid email",
            "expires_in": 60,
            "id_token": "i",
        }
        assert TokenResponse("a", 60, (), "i", "r").body()["refresh_token"] == "r"


class TestBearer:
    def test_from_header_or_form(self) -> None:
        assert parse_bearer("bearer abc.def", of()) == "abc.def"
        assert parse_bearer(None, of(access_token="x")) == "x"
        assert parse_bearer("Basic abc", of()) is None

    @pytest.mark.parametrize(
        ("header", "form"), [("Bearer a", "b"), ("Bearer a b", ""), ("Bearer ", ""), ("Bearer " + "a" * 40_000, "")]
    )
    def test_refused(self, header: str, form: str) -> None:
        with pytest.raises(OAuthError) as raised:
            parse_bearer(header, of(access_token=form))
        assert code_of(raised) == "invalid_request"

    def test_the_challenge_tells_nothing_without_a_token(self) -> None:
        assert challenge(None, realm="r") == 'Bearer realm="r"'
        assert challenge(OAuthError("invalid_token", "revoked"), realm="r").startswith(
            'Bearer realm="r", error="invalid_token", '
        )

    @given(st.text())
    def test_any_header(self, text: str) -> None:
        with suppress(OAuthError):
            parse_bearer("Bearer " + text, of())
