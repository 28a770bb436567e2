"""Assertions, proofs, certificates and codes as strangers may write them: either a value or the one error."""

from __future__ import annotations

import base64
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.proto.jose import SigningKey
from ostiary.proto.oauth2.bearer import parse_token
from ostiary.proto.oauth2.clients.assertion import verify_assertion
from ostiary.proto.oauth2.clients.authentication import parse_client
from ostiary.proto.oauth2.clients.certificate_header import BadCertificateHeader, read_certificate_header
from ostiary.proto.oauth2.clients.dpop import NONCE_TURN, ProofTarget, is_same_url, make_nonce, verify_dpop_proof
from ostiary.proto.oauth2.clients.statement import (
    BadStatement,
    SignedStatement,
    read_statement,
    unverified_claim,
    unverified_header,
    verify_times,
)
from ostiary.proto.oauth2.device_authorization import MAX_CODE, MIN_CODE, read_user_code
from ostiary.proto.oauth2.errors import OAuthError
from ostiary.proto.oauth2.parameters import read_parameters
from ostiary.proto.oauth2.token import parse_client_credentials_request

NOW = 1_700_000_000_000_000
KEY = SigningKey(b"k" * 32)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
CLAIM_NAMES = st.sampled_from(
    ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "htm", "htu", "ath", "nonce", "typ", "alg", "jwk", "kid"]
)
CLAIMS = st.dictionaries(CLAIM_NAMES, JSON, max_size=8)
TOKENISH = st.text(alphabet='AZaz09-_.={}" é', max_size=60) | st.text(max_size=40)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(claims: object, header: object = None) -> str:
    data = f"{b64(json.dumps(header or {'alg': 'HS256'}).encode())}.{b64(json.dumps(claims).encode())}"
    return f"{data}.{b64(KEY.signature(data.encode()))}"


@given(TOKENISH)
def test_any_text_as_a_statement(text: str) -> None:
    for read in (unverified_header, lambda one: read_statement(one, [KEY.verifying()])):
        with contextlib.suppress(BadStatement):
            read(text)
    assert unverified_claim(text, "sub") is None or "." in text


@given(CLAIMS)
def test_any_claims(claims: dict[str, object]) -> None:
    statement = read_statement(signed(claims), [KEY.verifying()])
    assert unverified_claim(signed(claims), "sub") == (
        claims.get("sub") if isinstance(claims.get("sub"), str) else None
    )
    with contextlib.suppress(BadStatement):
        verify_times(statement, now=NOW, leeway=30, longest=3600)
    with pytest.raises(BadStatement):
        verify_assertion(statement, client_id="no such client", audiences={"https://x"}, now=NOW)
    assert all(isinstance(one, str) for one in statement.audience)


@given(st.lists(st.tuples(CLAIM_NAMES, st.just(1)), min_size=1, max_size=4))
def test_a_claim_that_stands_twice(pairs: list[tuple[str, int]]) -> None:
    payload = "{" + ",".join(f'"{name}":{value}' for name, value in [*pairs, pairs[0]]) + "}"
    data = f"{b64(json.dumps({'alg': 'HS256'}).encode())}.{b64(payload.encode())}"
    with pytest.raises(BadStatement):
        read_statement(f"{data}.{b64(KEY.signature(data.encode()))}", [KEY.verifying()])


@given(CLAIMS, CLAIMS, st.sampled_from([None, b"k" * 32]))
def test_any_proof(header: dict[str, object], claims: dict[str, object], nonce_key: bytes | None) -> None:
    target = ProofTarget("POST", "https://id.example.org/x")
    with pytest.raises(OAuthError):
        verify_dpop_proof(signed(claims, {"typ": "dpop+jwt", **header}), target, nonce_key=nonce_key, now=NOW)


@given(st.text(max_size=80))
def test_any_address(text: str) -> None:
    assert not is_same_url(text, "https://id.example.org/x") or text.lower().startswith("https")


@pytest.mark.parametrize(
    "sent", ["https://id.example.org:443", "https://ID.EXAMPLE.ORG/", "https://id.example.org/?a#b"]
)
def test_same_addresses(sent: str) -> None:
    assert is_same_url(sent, "https://id.example.org/")


@pytest.mark.parametrize(
    "sent",
    [
        "http://id.example.org/",
        "https://id.example.org/%2e",
        "https://id.example.org:1/",
        "https://a@id.example.org/",
        "https://[/",
        "",
    ],
)
def test_other_addresses(sent: str) -> None:
    assert not is_same_url(sent, "https://id.example.org/")


def test_nonces_turn() -> None:
    assert make_nonce(b"k", NOW) == make_nonce(b"k", NOW - NOW % NONCE_TURN)
    assert make_nonce(b"k", NOW) != make_nonce(b"k", NOW + NONCE_TURN)
    assert make_nonce(b"k", NOW) != make_nonce(b"j", NOW)


@given(
    st.text(max_size=60) | TOKENISH.map(lambda text: f":{text}:") | st.binary(max_size=30).map(lambda data: b64(data))
)
def test_any_certificate_header(text: str) -> None:
    with contextlib.suppress(BadCertificateHeader):
        found = read_certificate_header(text)
        assert found is None or found


@given(st.binary(min_size=1, max_size=40))
def test_certificates_in_every_spelling(data: bytes) -> None:
    text = base64.b64encode(data).decode()
    pem = f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"
    from urllib.parse import quote

    for header in (
        f":{text}:",
        text,
        quote(text, safe=""),
        quote(pem),
        quote(pem, safe=""),
        pem,
        quote(pem) + quote(pem),
    ):
        assert read_certificate_header(header) == data


@given(st.text(max_size=20) | JSON)
def test_any_user_code(typed: object) -> None:
    code = read_user_code(typed)
    assert code is None or MIN_CODE <= int(code) <= MAX_CODE


NAMES = st.sampled_from(
    [
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "username",
        "password",
        "scope",
        "resource",
        "access_token",
    ]
)


@given(st.lists(st.tuples(NAMES, st.text(max_size=30) | TOKENISH), max_size=6), st.none() | st.text(max_size=60))
def test_any_form(pairs: list[tuple[str, str]], authorization: str | None) -> None:
    parameters = read_parameters(pairs)
    for header in (authorization, None if authorization is None else f"Basic {authorization}"):
        with contextlib.suppress(OAuthError):
            assert parse_client(header, parameters).client_id
    with contextlib.suppress(OAuthError):
        parse_client_credentials_request(parameters)
    for scheme in ("Bearer", "dpop"):
        with contextlib.suppress(OAuthError):
            sent = parse_token(f"{scheme} {authorization}", parameters)
            assert sent is not None
            assert sent.scheme == scheme.lower()


def test_secrets_do_not_print() -> None:
    form = [("client_id", "a"), ("client_secret", "hidden"), ("username", "u"), ("password", "hidden")]
    parameters = read_parameters(form)
    shown = f"{parse_client(None, parameters)} {parse_client_credentials_request(parameters)} {parse_token('Bearer hidden', parameters)}"
    assert "hidden" not in shown


def test_times_are_compared_with_leeway() -> None:
    def at(**claims: float) -> SignedStatement:
        return SignedStatement({}, claims)

    seconds = NOW // 1_000_000
    assert verify_times(at(exp=seconds - 29), now=NOW, leeway=30) == seconds - 29
    for claims in (
        {"exp": seconds - 30},
        {"exp": seconds + 9, "nbf": seconds + 31},
        {"exp": seconds + 9, "iat": seconds + 31},
        {},
    ):
        with pytest.raises(BadStatement):
            verify_times(at(**claims), now=NOW, leeway=30)
