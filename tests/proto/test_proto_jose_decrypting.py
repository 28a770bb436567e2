"""What others encrypt to us, and the keys of strangers: bounded before anything is computed with them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from ostiary.proto.jose import (
    MalformedToken,
    Recipient,
    SigningKey,
    UnsupportedKey,
    base64url_encode,
    public_jwk,
    require_key_size,
    sign,
    verify,
)
from ostiary.proto.jose.jwe import MAX_ENCRYPTED_LENGTH, Decrypter, is_encrypted
from ostiary.proto.jose.jwks import MAX_KEYS, usable_keys
from ostiary.proto.jose.keys import MAX_EXPONENT, secret_keys

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
CASES = [(RSA, "RSA-OAEP-256"), (EC, "ECDH-ES")]


def encrypted(key: Any, algorithm: str, *, payload: bytes = b"a.b.c", cty: str | None = "JWT") -> str:
    jwk = public_jwk(key.public_key())
    return Recipient(jwk, algorithm=algorithm, content="A256GCM").encrypt(payload, cty=cty)


def with_header(token: str, header: dict[str, object]) -> str:
    return ".".join([base64url_encode(json.dumps(header).encode()), *token.split(".")[1:]])


@pytest.mark.parametrize(("key", "algorithm"), CASES)
@pytest.mark.parametrize("cty", ["JWT", None])
def test_what_was_encrypted_to_us_is_read(key: Any, algorithm: str, cty: str | None) -> None:
    token = encrypted(key, algorithm, cty=cty)
    decrypter = Decrypter(key)
    assert is_encrypted(token)
    assert decrypter.decrypt(token) == b"a.b.c"
    assert repr(decrypter) == f"Decrypter({algorithm})"


@pytest.mark.parametrize(("key", "algorithm"), CASES)
def test_all_failures_of_decryption_read_the_same(key: Any, algorithm: str) -> None:
    head, *middle, tag = encrypted(key, algorithm).split(".")
    for changed in (".".join([head, *middle, "A" * len(tag)]), ".".join([head, middle[0], "AA", *middle[2:], tag])):
        with pytest.raises(MalformedToken, match=r"^it cannot be decrypted$"):
            Decrypter(key).decrypt(changed)


@pytest.mark.parametrize(
    "change",
    [
        {"alg": "RSA-OAEP"},
        {"enc": "A192GCM"},
        {"zip": "DEF"},
        {"crit": ["x"]},
        {"epk": "x"},
        {"epk": {"x": "A" * 89}},
        {"cty": "text/plain"},
    ],
    ids=str,
)
def test_a15_headers_of_encrypted_tokens_that_are_refused(change: dict[str, object]) -> None:
    token = encrypted(RSA, "RSA-OAEP-256")
    header: dict[str, object] = {"alg": "RSA-OAEP-256", "enc": "A256GCM", **change}
    with pytest.raises(MalformedToken, match=r"^(?!it cannot)"):
        Decrypter(RSA).decrypt(with_header(token, header))


def test_a15_an_encrypted_token_has_a_size() -> None:
    with pytest.raises(MalformedToken, match="too long"):
        Decrypter(RSA).decrypt("a" * (MAX_ENCRYPTED_LENGTH + 1))


def test_nothing_is_encrypted_to_a_key_that_only_signs() -> None:
    with pytest.raises(UnsupportedKey):
        Decrypter(ed25519.Ed25519PrivateKey.generate())


def test_of_a_stranger_s_set_what_is_usable_is_used() -> None:
    good = public_jwk(EC.public_key())
    weak = {"kty": "RSA", "n": "AQAB", "e": "AQAB"}
    verifying = usable_keys({"keys": [weak, "x", {**good, "x": "!"}, good, {"kty": "unknown"}]})
    token = sign(b"{}", SigningKey(EC), typ="JWT")
    assert [key.algorithm for key in verifying] == ["ES256"]
    assert verify(token, verifying).payload == b"{}"


@pytest.mark.parametrize("keys", [None, "x", {}, 7])
def test_a_set_without_a_list_has_no_keys(keys: object) -> None:
    assert usable_keys({"keys": keys}) == ()


def test_a69_of_a_stranger_s_set_no_more_than_so_many_keys_are_looked_at() -> None:
    good = public_jwk(EC.public_key())
    assert usable_keys({"keys": [*[{"kty": "unknown"}] * MAX_KEYS, good]}) == ()


@pytest.mark.parametrize("key", [RSA, RSA.public_key(), EC, EC.public_key(), dsa.generate_parameters(2048)])
def test_usual_keys_have_a_usual_size(key: object) -> None:
    require_key_size(key)


@pytest.mark.parametrize(
    "numbers",
    [
        rsa.RSAPublicNumbers(65537, (1 << 8192) + 1),
        rsa.RSAPublicNumbers(MAX_EXPONENT + 1, RSA.public_key().public_numbers().n),
    ],
)
def test_a69_a_stranger_s_key_that_would_cost_much_is_refused(numbers: rsa.RSAPublicNumbers) -> None:
    with pytest.raises(UnsupportedKey):
        require_key_size(numbers.public_key())


def test_a_shared_secret_verifies_each_algorithm_of_its_size() -> None:
    secret = b"k" * 64
    assert [key.algorithm for key in secret_keys(secret)] == ["HS256", "HS384", "HS512"]
    for key in secret_keys(secret):
        token = sign(b"{}", SigningKey(secret, algorithm=key.algorithm), typ="JWT")
        assert verify(token, secret_keys(secret)).key.algorithm == key.algorithm
