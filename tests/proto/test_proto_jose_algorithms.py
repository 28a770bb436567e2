"""Every algorithm a key may have, which keys it fits, and encryption; read by joserfc, which is not ours."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import jwe, jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from ostiary.proto.jose import (
    BadSignature,
    Recipient,
    SigningKey,
    UnsupportedKey,
    VerifyingKey,
    algorithm_for,
    algorithms_for,
    base64url_encode,
    peek_header,
    public_jwk,
    require_recipient,
    sign,
    verify,
)

RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


@cache
def private(algorithm: str) -> Any:
    if algorithm in RSA:
        return rsa_key()
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm])
    return ed25519.Ed25519PrivateKey.generate()


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def foreign(key: Any) -> Any:
    kind = RSAKey if isinstance(key, rsa.RSAPrivateKey) else OKPKey if not hasattr(key, "curve") else ECKey
    return kind.import_key(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest.mark.parametrize("algorithm", [*RSA, *CURVES, "EdDSA"])
def test_each_algorithm_is_read_by_others_and_by_us(algorithm: str) -> None:
    key = private(algorithm)
    signing = SigningKey(key, kid="k", algorithm=algorithm)
    token = sign(b'{"a":1}', signing, typ="at+jwt")
    assert peek_header(token) == {"alg": algorithm, "typ": "at+jwt", "kid": "k"}
    assert verify(token, [signing.verifying()]).payload == b'{"a":1}'
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # joserfc has a new name for EdDSA
        assert jws.deserialize_compact(token, foreign(key), algorithms=[algorithm]).payload == b'{"a":1}'


def test_a14_one_key_has_one_algorithm_though_it_could_have_others() -> None:
    token = sign(b"{}", SigningKey(rsa_key(), algorithm="PS256"))
    for other in ("RS256", "RS384", "RS512"):
        with pytest.raises(BadSignature):
            verify(token, [SigningKey(rsa_key(), algorithm=other).verifying()])
    # Another alg in the header does not make the signature one of that algorithm.
    _, payload, signature = token.split(".")
    claimed = f"{SigningKey(rsa_key()).header('JWT')}.{payload}.{signature}"
    with pytest.raises(BadSignature):
        verify(claimed, [SigningKey(rsa_key()).verifying()])


def test_a14_the_public_key_is_no_secret_of_hs256() -> None:
    signing = SigningKey(rsa_key())
    pem = rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(BadSignature):
        verify(sign(b"{}", SigningKey(pem)), [signing.verifying()])


def test_a_key_that_signs_no_longer_checks_all_its_algorithms() -> None:
    keys = SigningKey(rsa_key(), kid="k").verifying_all()
    assert [key.algorithm for key in keys] == list(RSA)
    for algorithm in RSA:
        assert verify(sign(b"{}", SigningKey(rsa_key(), kid="k", algorithm=algorithm)), keys).key.algorithm == algorithm
    assert [key.algorithm for key in SigningKey(b"k" * 32).verifying_all()] == ["HS256"]


@pytest.mark.parametrize(
    ("key", "wanted"), [("RS256", "ES256"), ("ES256", "RS256"), ("ES256", "ES384"), ("EdDSA", "HS256")]
)
def test_algorithms_that_do_not_fit(key: str, wanted: str) -> None:
    possible = algorithms_for(private(key))
    with pytest.raises(UnsupportedKey, match=f"{wanted} does not fit the key, expected {' or '.join(possible)}"):
        algorithm_for(private(key), wanted)
    with pytest.raises(UnsupportedKey):
        VerifyingKey(private(key).public_key(), algorithm=wanted)
    with pytest.raises(UnsupportedKey):
        SigningKey(b"k" * 32, algorithm="RS256")


@pytest.mark.parametrize("content", ["A256CBC-HS512", "A256GCM"])
@pytest.mark.parametrize(("algorithm", "key"), [("RSA-OAEP-256", "RS256"), ("ECDH-ES", "ES256"), ("ECDH-ES", "ES512")])
def test_what_is_encrypted_is_read_by_its_recipient_only(algorithm: str, content: str, key: str) -> None:
    secret = private(key)
    recipient = Recipient(public_jwk(secret.public_key()), algorithm=algorithm, content=content, kid="enc")
    token = recipient.encrypt(b"a.b.c")
    assert token.count(".") == 4
    opened = jwe.decrypt_compact(token, foreign(secret), algorithms=[algorithm, content])
    assert opened.plaintext == b"a.b.c"
    assert {"alg": algorithm, "enc": content, "cty": "JWT", "kid": "enc"}.items() <= opened.headers().items()
    assert repr(recipient) == f"Recipient({algorithm}, {content}, kid='enc')"
    assert b"a.b.c" not in token.encode()


def test_a_recipient_on_x25519() -> None:
    secret = x25519.X25519PrivateKey.generate()
    jwk = {"kty": "OKP", "crv": "X25519", "x": base64url_encode(secret.public_key().public_bytes_raw())}
    token = Recipient(jwk, algorithm="ECDH-ES", content="A256GCM").encrypt(b"{}", cty=None)
    opened = jwe.decrypt_compact(token, foreign(secret), algorithms=["ECDH-ES", "A256GCM"])
    assert opened.plaintext == b"{}"
    assert "cty" not in opened.headers()
    assert "kid" not in opened.headers()


@pytest.mark.parametrize(
    ("jwk", "algorithm"),
    [
        ({}, "RSA-OAEP-256"),
        ({"kty": "oct", "k": "AAAA"}, "RSA-OAEP-256"),
        ({"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}, "ECDH-ES"),
        ({"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "ECDH-ES"),
        ({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, "RSA-OAEP-256"),
    ],
)
def test_keys_that_nobody_can_be_encrypted_to(jwk: dict[str, str], algorithm: str) -> None:
    with pytest.raises(UnsupportedKey):
        require_recipient(jwk, algorithm)


@pytest.mark.parametrize(
    ("jwk", "algorithm"),
    [
        ({"kty": "RSA"}, "RSA-OAEP-256"),
        ({"kty": "RSA", "n": "A" * 171, "e": "AQAB"}, "RSA-OAEP-256"),
        ({"kty": "RSA", "n": "!" * 342, "e": "AQAB"}, "RSA-OAEP-256"),
        ({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, "ECDH-ES"),
        ({"kty": "OKP", "crv": "X25519", "x": "AA"}, "ECDH-ES"),
        ({"crv": "P-256"}, "ECDH-ES"),
    ],
)
def test_malformed_recipients(jwk: dict[str, str], algorithm: str) -> None:
    with pytest.raises(UnsupportedKey):
        Recipient(jwk, algorithm=algorithm, content="A256GCM")


def test_a_private_half_of_a_recipient_is_not_taken_along() -> None:
    jwk = foreign(private("ES256")).as_dict(private=True)
    recipient = Recipient(jwk, algorithm="ECDH-ES", content="A256GCM")
    assert not recipient._key.is_private
