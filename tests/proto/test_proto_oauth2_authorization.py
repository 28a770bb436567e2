"""What an authorization request may hold beside the plain parameters: claims, signed requests, native addresses."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from ostiary.proto.jose import SigningKey, UnsupportedKey, VerifyingKey, base64url_encode, public_jwk, sign
from ostiary.proto.jose.jwks import MAX_KEYS, public_key, verifying_keys
from ostiary.proto.oauth2.authorization.claims_request import (
    NO_CLAIMS,
    ClaimsRequest,
    RequestedClaim,
    load_claims,
    parse_claims,
)
from ostiary.proto.oauth2.authorization.pkce import CodeChallenge, require_challenge
from ostiary.proto.oauth2.authorization.redirect import is_allowed
from ostiary.proto.oauth2.authorization.request_object import LEEWAY, read_object
from ostiary.proto.oauth2.authorization.request_uri import PREFIX, handle_of, pushed_pairs
from ostiary.proto.oauth2.authorization.response import (
    RESPONSE_MODES,
    RESPONSE_TYPES,
    ResponseTarget,
    parse_mode,
    parse_response_type,
    response_pairs,
    signed_claims,
)
from ostiary.proto.oauth2.errors import OAuthError
from ostiary.proto.oauth2.parameters import read_parameters

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NOW = 1_700_000_000_000_000
SECRET = b"k" * 32
KEYS = (VerifyingKey(SECRET),)
EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)


def refused(call: Any, code: str) -> None:
    with pytest.raises(OAuthError) as raised:
        call()
    assert raised.value.code == code


class TestClaims:
    def test_the_example_of_the_specification(self) -> None:
        found = parse_claims(
            """{"userinfo": {"given_name": {"essential": true}, "nickname": null, "picture": null},
            "id_token": {"auth_time": {"essential": true}, "acr": {"values": ["urn:mace:incommon:iap:silver"]}},
            "elsewhere": 1}"""
        )
        assert found.names("userinfo") == {"given_name", "nickname", "picture"}
        assert found.find("id_token", "auth_time") == RequestedClaim("auth_time", essential=True)
        acr = found.find("id_token", "acr")
        assert acr is not None
        assert acr.accepts("urn:mace:incommon:iap:silver")
        assert not acr.accepts("x")

    def test_nothing(self) -> None:
        assert parse_claims(None) is NO_CLAIMS
        assert not parse_claims("{}")
        assert load_claims(None) is NO_CLAIMS

    def test_true_is_not_one(self) -> None:
        claim = parse_claims('{"id_token": {"a": {"value": 1}}}').find("id_token", "a")
        assert claim is not None
        assert claim.accepts(1)
        assert not claim.accepts(value=True)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "x",
            "[]",
            "null",
            '{"userinfo": []}',
            '{"userinfo": {"a": 1}}',
            '{"userinfo": {"a": {"essential": "yes"}}}',
            '{"userinfo": {"a": {"values": "x"}}}',
            '{"userinfo": {"a": {"values": [{}]}}}',
            '{"userinfo": {"a": {"value": null}}}',
            '{"userinfo": {"a": null, "a": null}}',
            '{"userinfo": {"\\u0000": null}}',
            '{"userinfo": {"a": {"value": "\\ud800"}}}',
            '{"userinfo": {"a": {"value": NaN}}}',
            '{"a": ' + "[" * 2000,
            "{}" + " " * 5000,
            json.dumps({"userinfo": {str(number): None for number in range(65)}}),
        ],
    )
    def test_malformed(self, text: str) -> None:
        refused(lambda: parse_claims(text), "invalid_request")

    @given(st.dictionaries(st.sampled_from(["userinfo", "id_token", "x"]), JSON) | JSON)
    def test_any_json_is_read_or_refused_and_kept_as_it_is(self, value: object) -> None:
        with suppress(OAuthError):
            found = parse_claims(json.dumps(value))
            assert load_claims(json.loads(json.dumps(found.body()))) == found

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        with suppress(OAuthError):
            assert isinstance(parse_claims(text), ClaimsRequest)


class TestResponses:
    def test_the_order_of_types_does_not_matter(self) -> None:
        assert parse_response_type("token id_token code") == {"code", "id_token", "token"}
        for name in RESPONSE_TYPES:
            assert parse_response_type(name) == set(name.split())

    @given(st.text(alphabet="cdeo ikntqury._") | st.sampled_from(RESPONSE_TYPES))
    def test_any_type(self, text: str) -> None:
        with suppress(OAuthError):
            assert parse_response_type(text) <= {"code", "id_token", "token"}

    @given(st.sampled_from([*RESPONSE_MODES, "odd", None]), st.sampled_from(RESPONSE_TYPES))
    def test_tokens_are_never_put_in_a_query(self, mode: str | None, name: str) -> None:
        parts = parse_response_type(name)
        with suppress(OAuthError):
            delivery, signed = parse_mode(mode, parts, "https://a/b")
            assert delivery != "query" or parts == {"code"}
            assert signed == ("jwt" in (mode or ""))

    def test_a_signed_answer_has_its_issuer_inside(self) -> None:
        target = ResponseTarget("https://a/b", "query", "s", signed=True)
        pairs = response_pairs(target, [("code", "c"), ("expires_in", "60")], issuer="i")
        assert signed_claims(pairs, issuer="i", client_id="me", expires=9) == {
            "iss": "i",
            "aud": "me",
            "exp": 9,
            "code": "c",
            "expires_in": 60,
            "state": "s",
        }


class TestProofKeyRule:
    def test_what_is_demanded(self) -> None:
        plain, hashed = CodeChallenge("v" * 43, "plain"), CodeChallenge("v" * 43, "S256")
        require_challenge(None, "optional")
        require_challenge(plain, "optional")
        require_challenge(plain, "required")
        require_challenge(hashed, "s256")
        for challenge, rule in ((None, "required"), (None, "s256"), (plain, "s256")):
            refused(lambda challenge=challenge, rule=rule: require_challenge(challenge, rule), "invalid_request")


class One:
    matching_mode: Any = "strict"

    def __init__(self, url: str, mode: str = "strict") -> None:
        self.url = url
        self.matching_mode = mode


class TestNativeApps:
    """RFC 8252 7.3: the port of a loopback address is the app's own choice, and nothing else of it is."""

    @pytest.mark.parametrize(
        ("entry", "sent"),
        [
            ("http://127.0.0.1/cb", "http://127.0.0.1:49152/cb"),
            ("http://127.0.0.1:8080/cb", "http://127.0.0.1:1/cb"),
            ("http://127.0.0.1:8080/cb", "http://127.0.0.1/cb"),
            ("http://[::1]/cb?x=1", "http://[::1]:65535/cb?x=1"),
            ("http://127.0.0.1", "http://127.0.0.1:80"),
        ],
    )
    def test_any_port(self, entry: str, sent: str) -> None:
        assert is_allowed(sent, [One(entry)], any_port=True)
        assert not is_allowed(sent, [One(entry)])

    @pytest.mark.parametrize(
        ("entry", "sent"),
        [
            ("http://127.0.0.1/cb", "http://127.0.0.1:80/other"),
            ("http://127.0.0.1/cb", "https://127.0.0.1:80/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.2:80/cb"),
            ("http://127.0.0.1/cb", "http://[::1]:80/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:80@evil.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:80.evil.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:99999/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:/cb"),
            ("http://localhost/cb", "http://localhost:80/cb"),
            ("https://127.0.0.1/cb", "https://127.0.0.1:80/cb"),
            ("http://app.example/cb", "http://app.example:80/cb"),
        ],
    )
    def test_nothing_else(self, entry: str, sent: str) -> None:
        assert not is_allowed(sent, [One(entry)], any_port=True)

    @given(st.text(max_size=30))
    def test_any_tail(self, tail: str) -> None:
        sent = "http://127.0.0.1" + tail
        if is_allowed(sent, [One("http://127.0.0.1/cb")], any_port=True):
            assert sent.endswith("/cb")
            assert set(tail.removesuffix("/cb")) <= set(":0123456789")


def request_object(key: SigningKey | None = None, typ: str = "oauth-authz-req+jwt", **claims: object) -> str:
    made = {"client_id": "me", "iss": "me", "aud": "https://i/", "response_type": "code", **claims}
    payload = json.dumps({name: value for name, value in made.items() if value is not ...}).encode()
    return sign(payload, key or SigningKey(SECRET), typ=typ)


def read(token: str, keys: Any = KEYS) -> Any:
    return read_object(token, keys, client_id="me", audiences={"https://i/"}, now=NOW)


class TestRequestObject:
    def test_its_claims_are_the_parameters(self) -> None:
        token = request_object(
            max_age=60,
            claims={"userinfo": {"email": None}},
            resource=["https://a/", "https://b/"],
            exp=NOW // 10**6,
            jti="x",
        )
        found = read(token)
        assert found.parameters.get("max_age") == "60"
        assert parse_claims(found.parameters.get("claims")).names("userinfo") == {"email"}
        assert found.parameters.all("resource") == ("https://a/", "https://b/")
        assert not {"iss", "aud", "exp", "jti"} & found.parameters.values.keys()
        assert found.expires == NOW + LEEWAY * 1_000_000

    @pytest.mark.parametrize("missing", ["iss", "aud"])
    def test_iss_and_aud_may_be_missing(self, missing: str) -> None:
        assert read(request_object(**cast("dict[str, Any]", {missing: ...}))).expires is None

    def test_with_the_clients_published_keys(self) -> None:
        jwks: dict[str, object] = {
            "keys": [{**public_jwk(EC.public_key()), "kid": "e"}, {**public_jwk(RSA.public_key()), "kid": "r"}]
        }
        keys = verifying_keys(jwks)
        for signer in (
            SigningKey(EC, kid="e"),
            *(SigningKey(RSA, kid="r", algorithm=name) for name in ("RS256", "RS512", "PS256")),
        ):
            assert read(request_object(signer), keys).parameters.get("response_type") == "code"

    @pytest.mark.parametrize(
        "claims",
        [
            {"client_id": "you"},
            {"client_id": ...},
            {"iss": "you"},
            {"sub": "me"},
            {"aud": "https://other/"},
            {"aud": 7},
            {"aud": []},
            {"exp": "soon"},
            {"exp": True},
            {"nbf": NOW // 10**6 + LEEWAY + 1},
            {"request": "x"},
            {"request_uri": "x"},
            {"client_secret": "x"},
            {"state": ["a", "b"]},
            {"state": True},
            {"state": 1.5},
            {"state": "\0"},
            {"state": "\ud800"},
            {"state": {"a": 1}},
            {str(number): "x" for number in range(70)},
        ],
    )
    def test_refused(self, claims: dict[str, Any]) -> None:
        token = request_object(**claims)
        refused(lambda: read(token), "invalid_request_object")

    @pytest.mark.parametrize("typ", ["at+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt"])
    def test_other_kinds_of_tokens(self, typ: str) -> None:
        token = request_object(typ=typ)
        refused(lambda: read(token), "invalid_request_object")

    def test_signatures(self) -> None:
        header = base64url_encode(b'{"alg":"none"}')
        payload = request_object().split(".")[1]
        for token in (
            f"{header}.{payload}.",
            request_object(SigningKey(b"o" * 32)),
            request_object(SigningKey(EC)),
            request_object()[:-4],
            "x",
            "",
            "..",
            "a.b.c.d.e",
        ):
            refused(lambda token=token: read(token), "invalid_request_object")

    def test_a_name_may_not_stand_twice(self) -> None:
        token = sign(b'{"client_id":"me","state":"a","state":"b"}', SigningKey(SECRET))
        refused(lambda: read(token), "invalid_request_object")

    def test_a_number_without_end(self) -> None:
        token = sign(b'{"client_id":"me","max_age":' + b"9" * 5000 + b"}", SigningKey(SECRET))
        refused(lambda: read(token), "invalid_request_object")

    @given(JSON | st.dictionaries(st.sampled_from(["client_id", "exp", "aud", "resource", "claims"]), JSON))
    def test_any_payload_is_read_or_refused(self, value: object) -> None:
        if isinstance(value, dict):
            value["client_id"] = "me"
        with suppress(OAuthError):
            found = read(sign(json.dumps(value).encode(), SigningKey(SECRET)))
            assert all(isinstance(one, str) for one in found.parameters.values.values())


class TestPushed:
    def test_what_belongs_to_the_client_is_not_kept(self) -> None:
        form = read_parameters(
            [
                ("client_id", "c"),
                ("client_secret", "s"),
                ("client_assertion", "a"),
                ("resource", "x"),
                ("resource", "y"),
            ]
        )
        assert pushed_pairs(form) == (("client_id", "c"), ("resource", "x"), ("resource", "y"))

    def test_refused(self) -> None:
        refused(lambda: pushed_pairs(read_parameters([("request_uri", "x")])), "invalid_request")
        refused(lambda: pushed_pairs(read_parameters([("state", "x" * 40_000)])), "invalid_request")

    def test_handles(self) -> None:
        assert handle_of(PREFIX + "abc") == "abc"
        assert handle_of("https://a/b") is None

    @given(st.lists(st.tuples(st.sampled_from(["a", "b", "client_secret"]), st.text(max_size=3))))
    def test_what_is_kept_reads_the_same(self, pairs: list[tuple[str, str]]) -> None:
        before = read_parameters([*pairs, ("z", "1")])
        after = read_parameters(pushed_pairs(before))
        assert after.values == {name: value for name, value in before.values.items() if name != "client_secret"}


class TestKeySets:
    @pytest.mark.parametrize("key", [EC, RSA])
    def test_a_key_comes_back(self, key: Any) -> None:
        found = public_key(public_jwk(key.public_key()))
        assert found is not None
        assert found.public_numbers() == key.public_key().public_numbers()  # type: ignore[union-attr]

    def test_what_is_left_out(self) -> None:
        jwk = public_jwk(EC.public_key())
        for other in ({**jwk, "use": "enc"}, {**jwk, "key_ops": ["encrypt"]}, {**jwk, "alg": "ES512"}, {"kty": "oct"}):
            assert verifying_keys({"keys": [other]}) == ()
        assert [
            key.algorithm for key in verifying_keys({"keys": [{**public_jwk(RSA.public_key()), "alg": "PS256"}]})
        ] == ["PS256"]

    @pytest.mark.parametrize(
        "keys",
        [
            "x",
            [1],
            [{"kty": "RSA"}],
            [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}],
            [{"kty": "RSA", "n": "_" * 4000, "e": "AQAB"}],
            [{"kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB"}],
            [{"kty": "EC", "crv": "P-256", "x": "!", "y": "AQAB"}],
            [{"kty": "OKP", "crv": "Ed25519", "x": "AQAB"}],
            [{"kty": "oct"}] * (MAX_KEYS + 1),
        ],
    )
    def test_malformed_and_weak(self, keys: object) -> None:
        with pytest.raises(UnsupportedKey):
            verifying_keys({"keys": keys})

    @given(st.dictionaries(st.sampled_from(["kty", "crv", "n", "e", "x", "y", "alg", "use", "kid"]), JSON))
    def test_any_key(self, jwk: dict[str, object]) -> None:
        for kty in ("RSA", "EC", "OKP", jwk.get("kty")):
            with suppress(UnsupportedKey):
                verifying_keys({"keys": [{"crv": "P-256", **jwk, "kty": kty}]})
