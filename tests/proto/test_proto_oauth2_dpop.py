"""Proofs of possession (RFC 9449): what each of the checks of section 4.3 refuses."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ostiary.proto.jose import SigningKey, base64url_encode, public_jwk, thumbprint
from ostiary.proto.oauth2.clients.dpop import MAX_AGE, MAX_SKEW, NONCE_TURN, ProofTarget, make_nonce, verify_dpop_proof
from ostiary.proto.oauth2.errors import OAuthError

NOW = 1_700_000_000_000_000
SECONDS = NOW // 1_000_000
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
JWK = public_jwk(KEY.public_key())
TARGET = ProofTarget("POST", "https://id.example.org/token")
TOKEN = "an access token"
ATH = base64.urlsafe_b64encode(hashlib.sha256(TOKEN.encode()).digest()).rstrip(b"=").decode()


def proof(claims: dict[str, object] | None = None, header: dict[str, object] | None = None, *, key: Any = KEY) -> str:
    head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": JWK, **(header or {})}
    body = {"htm": "POST", "htu": TARGET.url, "iat": SECONDS, "jti": "one", **(claims or {})}
    data = ".".join(base64url_encode(json.dumps(part).encode()) for part in (head, body))
    return f"{data}.{base64url_encode(SigningKey(key).signature(data.encode()))}"


def test_a_proof_that_holds_names_its_key_and_how_long_it_is_remembered() -> None:
    found = verify_dpop_proof(proof(), TARGET, nonce_key=None, now=NOW)
    assert (found.jkt, found.jti) == (thumbprint(JWK), "one")
    assert found.expires == NOW + (MAX_AGE + 1) * 1_000_000


@pytest.mark.parametrize(
    "claims",
    [
        {"htm": "GET"},
        {"htu": "https://id.example.org/other"},
        {"htu": None},
        {"jti": None},
        {"iat": None},
        {"iat": SECONDS - MAX_AGE - 1},
        {"iat": SECONDS + MAX_SKEW + 1},
    ],
    ids=str,
)
def test_claims_of_another_request_or_time(claims: dict[str, object]) -> None:
    with pytest.raises(OAuthError, match="invalid_dpop_proof"):
        verify_dpop_proof(proof(claims), TARGET, nonce_key=None, now=NOW)


PRIVATE = {**JWK, "d": base64url_encode(KEY.private_numbers().private_value.to_bytes(32, "big"))}
FOREIGN = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"alg": "HS256"},
        {"alg": "RS256"},
        {"alg": "none"},
        {"jwk": None},
        {"jwk": PRIVATE},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"jwk": {"kty": "unknown"}},
        {"jwk": {"pem": FOREIGN}},
        {"jwk": {**JWK, "x": "AA"}},
    ],
    ids=lambda header: next(iter(header)),
)
def test_a14_headers_that_are_no_proof(header: dict[str, object]) -> None:
    with pytest.raises(OAuthError, match="invalid_dpop_proof"):
        verify_dpop_proof(proof(header=header), TARGET, nonce_key=None, now=NOW)


def test_a14_the_key_in_the_header_has_signed_the_proof() -> None:
    with pytest.raises(OAuthError, match="invalid_dpop_proof"):
        verify_dpop_proof(proof(key=OTHER), TARGET, nonce_key=None, now=NOW)


def test_a_proof_beside_a_token_is_about_that_token() -> None:
    target = ProofTarget(TARGET.method, TARGET.url, TOKEN)
    assert verify_dpop_proof(proof({"ath": ATH}), target, nonce_key=None, now=NOW).jti == "one"
    for ath in ("x" * 43, None):
        with pytest.raises(OAuthError, match="invalid_dpop_proof"):
            verify_dpop_proof(proof({"ath": ath}), target, nonce_key=None, now=NOW)


def test_a_nonce_of_ours_is_good_for_two_turns() -> None:
    nonce = make_nonce(b"k", NOW)
    for later in (0, NONCE_TURN):
        claims = {"nonce": nonce, "iat": (NOW + later) // 1_000_000}
        assert verify_dpop_proof(proof(claims), TARGET, nonce_key=b"k", now=NOW + later).jti == "one"
    late = NOW + 2 * NONCE_TURN
    for given, now in ((nonce, late), ("x", NOW), (None, NOW), (make_nonce(b"j", NOW), NOW)):
        with pytest.raises(OAuthError, match="use_dpop_nonce"):
            verify_dpop_proof(proof({"nonce": given, "iat": now // 1_000_000}), TARGET, nonce_key=b"k", now=now)
