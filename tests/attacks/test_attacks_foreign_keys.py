"""Keys that strangers bring: none may cost more than a usual one, wherever it comes in (A69)."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from oauth2_rig import SECOND, START, Rig, certificates_in, json_of, provider

from ostiary.keys.certificate import validate_pair
from ostiary.proto.jose import UnsupportedKey, jwks, require_recipient
from ostiary.proto.jose.jwks import usable_keys, verifying_keys
from ostiary.providers.oauth2.provider.client_validation import validate_client

SMALL = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def number(value: int) -> str:
    octets = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def odd(bits: int) -> int:
    return 1 << (bits - 1) | secrets.randbits(bits - 2) << 1 | 1


def jwk(modulus: int, exponent: int) -> dict[str, str]:
    return {"kty": "RSA", "n": number(modulus), "e": number(exponent)}


COSTLY = {
    "an exponent as long as the modulus": jwk(odd(3072), odd(3070)),
    "an exponent of 64 bits": jwk(odd(2048), odd(64)),
    "a modulus of 16,384 bits": jwk(odd(16_384), 65_537),
    "a modulus of 4,104 bits": jwk(odd(4_104), 65_537),
    "a modulus without end": {"kty": "RSA", "n": "-" * 5_000, "e": "AQAB"},
    "an even exponent": jwk(odd(2048), 65_536),
    "the exponent 1": jwk(odd(2048), 1),
    "a point without end": {"kty": "EC", "crv": "P-256", "x": "A" * 2_000, "y": "A" * 43},
}
costly = pytest.mark.parametrize("key", COSTLY.values(), ids=COSTLY)


@pytest.fixture
def arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be computed with a key that came in as a JWK."""

    def fail(*_: object) -> None:
        pytest.fail("something was computed with the key")

    monkeypatch.setattr(jwks, "rsa", SimpleNamespace(RSAPublicNumbers=fail))
    monkeypatch.setattr(jwks, "ec", SimpleNamespace(EllipticCurvePublicNumbers=fail))


@costly
@pytest.mark.usefixtures("arithmetic")
def test_a69_in_sets_of_keys(key: dict[str, str]) -> None:
    """The jwks of a client; the keys of a source, where what cannot be used is left out."""
    with pytest.raises(UnsupportedKey):
        verifying_keys({"keys": [key]})
    assert usable_keys({"keys": [key]}) == ()
    found = [problem.field for problem in validate_client(provider(1, jwks={"keys": [key]}))]
    assert found == ["jwks"]


@costly
@pytest.mark.usefixtures("arithmetic")
async def test_a69_in_a_proof(rig: Rig, key: dict[str, str]) -> None:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    rig.change(provider(1, client_type="public"))
    algorithm = "ES256" if key["kty"] == "EC" else "RS256"
    header = {"typ": "dpop+jwt", "alg": algorithm, "jwk": key}
    proof = f"{part(header)}.{part({'jti': 'a', 'htm': 'POST', 'htu': 'x', 'iat': START // SECOND})}.{'A' * 342}"
    form = {"grant_type": "authorization_code", "client_id": "wiki", "code": "x"}
    response = await rig.call("POST", "/application/o/token/", form=form, headers={"dpop": proof})
    assert json_of(response)["error"] == "invalid_dpop_proof"


@pytest.mark.parametrize("key", [key for key in COSTLY.values() if key["kty"] == "RSA"])
@pytest.mark.usefixtures("arithmetic")
def test_a69_in_encryption(key: dict[str, str]) -> None:
    with pytest.raises(UnsupportedKey):
        require_recipient(key, "RSA-OAEP-256")


def certificate(key: Any) -> x509.Certificate:
    """Return a certificate about a key, signed by another: nobody has the private half of an invented modulus."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
    now = datetime.fromtimestamp(START // SECOND, tz=UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key)
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return made.sign(SMALL, hashes.SHA256())


LARGE: dict[str, Callable[[], Any]] = {
    "an exponent as long as the modulus": lambda: rsa.RSAPublicNumbers(odd(3070), odd(3072)).public_key(),
    "a modulus of 16,000 bits": lambda: rsa.RSAPublicNumbers(65_537, odd(16_000)).public_key(),
}


@pytest.mark.parametrize("make", LARGE.values(), ids=LARGE)
def test_a69_in_certificates_of_blueprints(make: Callable[[], Any]) -> None:
    pem = certificate(make()).public_bytes(serialization.Encoding.PEM).decode()
    assert [problem.field for problem in validate_pair(pem, "")] == ["certificate_data"]


def test_a69_in_private_keys_of_blueprints() -> None:
    """Before OpenSSL looks whether the factors are primes, which takes seconds at this size."""
    p, q = odd(4_096), odd(4_096)
    numbers = rsa.RSAPrivateNumbers(p, q, 65_537, 65_537, 65_537, 65_537, rsa.RSAPublicNumbers(65_537, p * q))
    pem = numbers.private_key(unsafe_skip_rsa_key_validation=True).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    good = certificate(SMALL.public_key()).public_bytes(serialization.Encoding.PEM).decode()
    found = [(one.field, one.message) for one in validate_pair(good, pem.decode())]
    assert found == [("key_data", "expected an RSA key of at most 4096 bits")]


@pytest.mark.parametrize("make", LARGE.values(), ids=LARGE)
async def test_a69_in_certificates_of_clients(rig: Rig, make: Callable[[], Any]) -> None:
    await rig.restart(**certificates_in("client-cert"))
    rig.change(provider(1, token_endpoint_auth_method="tls_client_auth", tls_client_auth_subject_dn="CN=client"))
    form = {"grant_type": "client_credentials", "client_id": "wiki"}

    async def ask(item: x509.Certificate) -> Any:
        der = base64.b64encode(item.public_bytes(serialization.Encoding.DER)).decode()
        return await rig.call("POST", "/application/o/token/", form=form, headers={"client-cert": f":{der}:"})

    assert (await ask(certificate(SMALL.public_key()))).status == 200
    assert json_of(await ask(certificate(make())))["error"] == "invalid_client"


def test_a69_usual_keys_are_as_good_as_before() -> None:
    usual = [jwk(odd(bits), exponent) for bits in (2048, 3072, 4096) for exponent in (3, 17, 65_537, 2**32 - 1)]
    assert {key.algorithm for key in verifying_keys({"keys": usual})} == {
        *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
    }
    padded = {**usual[-1], "n": base64.urlsafe_b64encode(b"\0" + odd(4096).to_bytes(512, "big")).rstrip(b"=").decode()}
    assert len(verifying_keys({"keys": [padded]})) == 6
