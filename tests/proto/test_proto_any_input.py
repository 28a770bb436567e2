"""Any text, any form: parsers that no other file gives nonsense to."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from ostiary.proto.duration import parse_duration
from ostiary.proto.jose import JoseError, peek_header
from ostiary.proto.jose.jwe import require_recipient
from ostiary.proto.jose.jwks import verifying_keys
from ostiary.proto.oauth2.authorization.pkce import CodeChallenge, parse_challenge, verify_code_verifier
from ostiary.proto.oauth2.authorization.redirect import is_allowed, pattern_problem
from ostiary.proto.oauth2.clients.assertion import verify_assertion
from ostiary.proto.oauth2.clients.statement import BadStatement, SignedStatement
from ostiary.proto.oauth2.errors import OAuthError
from ostiary.proto.oauth2.parameters import read_parameters
from ostiary.proto.oauth2.scope import grant_scopes, narrow_scope, parse_scope
from ostiary.proto.oauth2.token import (
    narrow_resources,
    parse_client_credentials_request,
    parse_code_request,
    parse_refresh_request,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [
        "code",
        "redirect_uri",
        "code_verifier",
        "refresh_token",
        "scope",
        "resource",
        "username",
        "password",
        "client_assertion",
        "x",
    ]
)
PAIRS = st.lists(st.tuples(NAMES, st.text(max_size=40)), max_size=8)
YEARS = 100 * 366 * 86_400_000_000


@given(st.text() | st.from_regex(r"(hours|days|weeks|seconds)=[-+0-9.einfa_]{0,12}(;(days|x)=[0-9.]{0,5})?"))
def test_a_duration_is_a_number_of_microseconds_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert abs(parse_duration(text)) <= YEARS


@given(PAIRS)
def test_token_requests(pairs: list[tuple[str, str]]) -> None:
    for parse in (parse_code_request, parse_refresh_request, parse_client_credentials_request):
        with suppress(OAuthError):
            parse(read_parameters(pairs))


@given(
    st.text(max_size=60) | st.none(),
    st.text(max_size=10) | st.sampled_from(["S256", "plain"]) | st.none(),
    st.text(max_size=140) | st.none(),
)
def test_proof_keys(value: str | None, method: str | None, verifier: str | None) -> None:
    challenge: CodeChallenge | None = None
    with suppress(OAuthError):
        challenge = parse_challenge(value, method)
    with suppress(OAuthError):
        verify_code_verifier(challenge, verifier)
        assert (challenge is None) is (verifier is None)


@given(st.text(max_size=60), st.lists(st.text(max_size=10), max_size=5))
def test_scopes_are_never_wider_than_offered(text: str, offered: list[str]) -> None:
    with suppress(OAuthError):
        names = parse_scope(text)
        assert set(grant_scopes(names, offered)) <= set(offered)
        assert set(narrow_scope(names, tuple(offered))) <= set(offered)


@given(st.lists(st.text(max_size=20), max_size=4), st.lists(st.text(max_size=20), max_size=4))
def test_resources_are_never_wider_than_granted(asked: list[str], granted: list[str]) -> None:
    with suppress(OAuthError):
        assert set(narrow_resources(tuple(asked), granted, known=["a"]) or ()) <= set(granted)


@given(st.dictionaries(st.sampled_from(["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "x"]), JSON | st.just("wiki")))
def test_assertions(claims: dict[str, object]) -> None:
    with suppress(BadStatement):
        found = verify_assertion(
            SignedStatement({}, claims), client_id="wiki", audiences=["here"], now=1_700_000_000_000_000
        )
        assert claims["iss"] == claims["sub"] == "wiki"
        assert found.jti


@given(
    st.dictionaries(
        st.sampled_from(["kty", "crv", "x", "y", "n", "e", "alg", "use", "k"]),
        JSON | st.sampled_from(["EC", "RSA", "P-256", "AQAB"]),
    )
)
def test_recipients(jwk: dict[str, object]) -> None:
    for algorithm in ("RSA-OAEP-256", "ECDH-ES"):
        with suppress(JoseError):
            require_recipient(jwk, algorithm)


@given(st.dictionaries(st.sampled_from(["use", "key_ops", "alg", "kid"]), JSON))
def test_a_key_set_with_odd_members(members: dict[str, object]) -> None:
    point = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    with suppress(JoseError):
        verifying_keys({"keys": [{**point, **members}]})


@given(st.text(max_size=200))
def test_headers(text: str) -> None:
    with suppress(JoseError):
        assert isinstance(dict(peek_header(text)), dict)


@given(st.text(max_size=40), st.text(max_size=40))
def test_patterns_that_may_be_saved_may_be_used(pattern: str, sent: str) -> None:
    class One:
        matching_mode = "regex"
        url = pattern

    if pattern_problem("regex", pattern) is None:
        is_allowed("https://a.example/" + sent, [One()])  # type: ignore[list-item]
