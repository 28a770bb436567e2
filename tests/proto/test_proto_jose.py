"""Compact JWS, JWK and thumbprints, against the RFCs' own numbers and against joserfc."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws as foreign
from joserfc.jwk import ECKey, OctKey, RSAKey

from ostiary.proto.jose import (
    BadSignature,
    MalformedToken,
    PrivateKey,
    PublicKey,
    SigningKey,
    UnsupportedKey,
    VerifyingKey,
    algorithm_for,
    base64url_decode,
    base64url_encode,
    peek_header,
    public_jwk,
    sign,
    thumbprint,
    verify,
)

VECTORS = json.loads((Path(__file__).parent / "data" / "jose_rfc.json").read_text())
ALGORITHMS = ("RS256", "ES256", "ES384", "ES512", "EdDSA", "HS256")


@cache
def private(algorithm: str) -> PrivateKey | bytes:
    match algorithm:
        case "RS256":
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "ES384":
            return ec.generate_private_key(ec.SECP384R1())
        case "ES512":
            return ec.generate_private_key(ec.SECP521R1())
        case "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
    return b"k" * 32


def public_from(jwk: dict[str, str]) -> PublicKey | bytes:
    numbers = {name: int.from_bytes(base64url_decode(jwk[name]), "big") for name in "nexy" if name in jwk}
    match jwk["kty"]:
        case "oct":
            return base64url_decode(jwk["k"])
        case "RSA":
            return rsa.RSAPublicNumbers(numbers["e"], numbers["n"]).public_key()
        case "EC":
            return ec.EllipticCurvePublicNumbers(numbers["x"], numbers["y"], ec.SECP256R1()).public_key()
    return ed25519.Ed25519PublicKey.from_public_bytes(base64url_decode(jwk["x"]))


@pytest.mark.parametrize("vector", VECTORS["signatures"], ids=lambda vector: vector["source"])
def test_signatures_of_the_rfc_hold(vector: dict[str, Any]) -> None:
    key = VerifyingKey(public_from(vector["key"]))
    assert key.algorithm == vector["algorithm"]
    token = f"{vector['header']}.{VECTORS['payload']}.{vector['signature']}"
    verified = verify(token, [key])
    assert verified.payload == base64url_decode(VECTORS["payload"])
    assert verified.header["alg"] == vector["algorithm"]


@pytest.mark.parametrize("vector", VECTORS["thumbprints"], ids=lambda vector: vector["source"])
def test_thumbprints_of_the_rfc(vector: dict[str, Any]) -> None:
    key = public_from(vector["key"])
    assert not isinstance(key, bytes)
    assert public_jwk(key) == vector["key"]
    assert thumbprint({**public_jwk(key), "alg": "x", "kid": "ignored"}) == vector["thumbprint"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_a_key_signs_its_other_half_verifies(algorithm: str) -> None:
    key = SigningKey(private(algorithm), kid="the-kid")
    token = sign(b'{"a":1}', key, typ="at+jwt")
    verified = verify(token, [key.verifying()])
    assert verified.payload == b'{"a":1}'
    assert verified.header == {"alg": algorithm, "typ": "at+jwt", "kid": "the-kid"}
    assert peek_header(token) == verified.header
    assert key.header("at+jwt") is key.header("at+jwt")
    with pytest.raises(BadSignature):
        verify(token, [SigningKey(private(algorithm), kid="another").verifying()])
    with pytest.raises(BadSignature):
        verify(token, [])


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "ES384", "ES512", "HS256"])
def test_another_implementation_agrees(algorithm: str) -> None:
    key = SigningKey(private(algorithm))
    inner = private(algorithm)
    if isinstance(inner, bytes):
        theirs: Any = OctKey.import_key(inner)
    else:
        theirs = (RSAKey if algorithm == "RS256" else ECKey).import_key(dict[str, Any](public_jwk(inner.public_key())))
    found = foreign.deserialize_compact(sign(b"payload", key), theirs, algorithms=[algorithm])
    assert found.payload == b"payload"


def test_a_token_cannot_choose_the_algorithm() -> None:
    """RFC 8725, 2.1: the octets of a public key must never do for HS256, nor "none" for anything."""
    key = SigningKey(private("RS256"))
    payload = base64url_encode(b"{}")
    for header in ({"alg": "none"}, {"alg": "HS256"}, {"alg": "RS384"}, {}, {"alg": ["RS256"]}):
        encoded = base64url_encode(json.dumps(header).encode())
        with pytest.raises(BadSignature):
            verify(f"{encoded}.{payload}.", [key.verifying()])


@pytest.mark.parametrize(
    "header",
    [b"[]", b"1", b"{", b"\xff", b'{"alg":"HS256","alg":"HS256"}', b'{"alg":"HS256","crit":["b64"]}', b"[" * 20_000],
)
def test_headers_that_nobody_honest_sends(header: bytes) -> None:
    key = VerifyingKey(b"k" * 32)
    with pytest.raises(MalformedToken):
        verify(f"{base64url_encode(header)}.e30.AAAA", [key])


@pytest.mark.parametrize(
    "token", ["", "a", "a.b", "a.b.c.d", "=.=.=", "e30.e30.A", "e30.e30.AB", "e3 0.e30.", "e" * 70_000]
)
def test_texts_that_are_no_token(token: str) -> None:
    with pytest.raises((MalformedToken, BadSignature)):
        verify(token, [VerifyingKey(b"k" * 32)])


def test_an_elliptic_signature_of_another_length_is_refused() -> None:
    key = SigningKey(private("ES256"))
    head, payload, signature = sign(b"{}", key).split(".")
    longer = base64url_encode(b"\0" + base64url_decode(signature))
    with pytest.raises(BadSignature):
        verify(f"{head}.{payload}.{longer}", [key.verifying()])


def test_keys_that_do_not_sign_here() -> None:
    with pytest.raises(UnsupportedKey, match="2048"):
        algorithm_for(rsa.generate_private_key(public_exponent=65537, key_size=1024))  # noqa: S505
    with pytest.raises(UnsupportedKey, match="secp256k1"):
        algorithm_for(ec.generate_private_key(ec.SECP256K1()))
    with pytest.raises(UnsupportedKey, match="secp256k1"):
        public_jwk(ec.generate_private_key(ec.SECP256K1()).public_key())
    other: Any = dsa.generate_private_key(1024)  # noqa: S505
    with pytest.raises(UnsupportedKey, match="RSA, elliptic curve or Ed25519"):
        algorithm_for(other)
    with pytest.raises(UnsupportedKey, match="RSA, elliptic curve or Ed25519"):
        public_jwk(other.public_key())


def test_only_rsa_is_worth_a_thread() -> None:
    assert SigningKey(private("RS256")).slow
    assert not SigningKey(private("ES256")).slow


def test_keys_do_not_print_themselves() -> None:
    key = SigningKey(b"very secret octets of a client..", kid="k")
    assert repr(key) == "SigningKey(HS256, kid='k')"
    assert repr(key.verifying()) == "VerifyingKey(HS256, kid='k')"


@given(st.binary(max_size=300))
def test_base64url_round_trip(data: bytes) -> None:
    text = base64url_encode(data)
    assert "=" not in text
    assert base64url_decode(text) == data


@given(st.text(alphabet="ABab01-_=+/ \n", max_size=12))
def test_base64url_has_one_text_for_each_value(text: str) -> None:
    try:
        data = base64url_decode(text)
    except MalformedToken:
        return
    assert base64url_encode(data) == text


@given(st.binary(max_size=200), st.data())
def test_no_other_token_passes(payload: bytes, data: st.DataObject) -> None:
    key = SigningKey(b"k" * 32, kid="k")
    token = sign(payload, key)
    position = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("AZaz09-_."))
    changed = token[:position] + letter + token[position + 1 :]
    if changed != token:
        with pytest.raises((MalformedToken, BadSignature)):
            verify(changed, [key.verifying()])


@given(st.text(max_size=80))
def test_any_text_is_answered_with_an_error_of_this_room(text: str) -> None:
    with pytest.raises((MalformedToken, BadSignature)):
        verify(text, [VerifyingKey(b"k" * 32)])
