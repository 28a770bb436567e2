"""Certificate-key pairs: validation, generation of self-signed pairs, and signers with their kid."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ostiary.keys.certificate import Generated, generate_self_signed, validate_pair
from ostiary.keys.pem import key_id
from ostiary.keys.resources import CertificateKeyPair
from ostiary.keys.signer import NoSigningKey, Signer, kid_of, signer
from ostiary.proto.jose import sign, verify
from ostiary.resource import InvalidResource, Registry
from ostiary.seal import Secret
from ostiary.store.configuration.snapshot import Snapshot

NOW = 1_800_000_000_000_000
PK = "00000000-0000-4000-8000-000000000001"


@cache
def generated(key_type: str = "ec-p256") -> Generated:
    return generate_self_signed("a pair", "id.example.org", now=NOW, key_type=key_type)  # type: ignore[arg-type]


def pair(data: Generated, **fields: object) -> CertificateKeyPair:
    values = {"name": data.name, "certificate_data": data.certificate_data, "key_data": data.key_data, **fields}
    kind = CertificateKeyPair.KIND
    item: CertificateKeyPair = kind.make(PK, kind.parse(values))
    return item


@pytest.mark.parametrize(("key_type", "algorithm"), [("rsa-2048", "RS256"), ("ec-p256", "ES256")])
def test_a_generated_pair_signs_and_its_jwk_verifies(key_type: str, algorithm: str) -> None:
    key_signer = Signer(pair(generated(key_type)))
    assert key_signer.jwk["alg"] == algorithm
    assert key_signer.jwk["use"] == "sig"
    token = sign(b"{}", key_signer.key)
    assert verify(token, [key_signer.key.verifying()]).header == {
        "alg": algorithm,
        "typ": "JWT",
        "kid": key_signer.jwk["kid"],
    }


def test_the_jwk_carries_the_certificate() -> None:
    key_signer = Signer(pair(generated()))
    certificate = x509.load_pem_x509_certificate(generated().certificate_data.encode())
    der = certificate.public_bytes(serialization.Encoding.DER)
    assert key_signer.jwk["x5c"] == [base64.b64encode(der).decode()]
    assert key_signer.jwk["x5t#S256"] == base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
    assert key_signer.jwk["x5t"] == base64.urlsafe_b64encode(hashlib.sha1(der).digest()).rstrip(b"=").decode()  # noqa: S324
    assert "d" not in key_signer.jwk


def test_a_self_signed_certificate_has_its_names_and_validity() -> None:
    certificate = x509.load_pem_x509_certificate(generated().certificate_data.encode())
    assert certificate.subject == certificate.issuer
    moment = datetime.fromtimestamp(NOW // 1_000_000, tz=UTC)
    assert certificate.not_valid_before_utc < moment < certificate.not_valid_after_utc
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["id.example.org"]


def test_the_kid_is_derived_from_the_pem_text_or_configured() -> None:
    data = generated()
    text = data.key_data.reveal()
    expected = base64.urlsafe_b64encode(hashlib.sha512(text.encode()).digest()).rstrip(b"=").decode()
    assert key_id(text) == expected
    assert kid_of(pair(data)) == expected
    assert kid_of(pair(data, kid="cached-by-clients")) == "cached-by-clients"


def test_a_private_key_of_another_certificate_is_refused() -> None:
    other = generate_self_signed("b", "b.example.org", now=NOW, key_type="ec-p256")
    with pytest.raises(InvalidResource, match="key_data: expected the private key of this certificate"):
        pair(generated(), key_data=other.key_data)


def test_every_unreadable_part_is_reported() -> None:
    problems = {problem.field: problem.message for problem in validate_pair("no certificate", "no key")}
    assert problems == {
        "certificate_data": "expected a certificate in PEM",
        "key_data": "expected a private key in PEM without a passphrase",
    }


def test_a_weak_key_and_one_with_a_passphrase_are_refused() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - to be refused
    plain = weak.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    locked = weak.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    certificate = generated().certificate_data
    assert [problem.message for problem in validate_pair(certificate, plain.decode())] == [
        "expected an RSA key of at least 2048 bits, not 1024"
    ]
    assert [problem.field for problem in validate_pair(certificate, locked.decode())] == ["key_data"]


def test_a_certificate_alone_is_a_pair_that_does_not_sign() -> None:
    alone = pair(generated(), key_data="")
    snapshot = Snapshot.of(Registry([CertificateKeyPair]), [alone])
    with pytest.raises(NoSigningKey):
        signer(snapshot, PK)
    with pytest.raises(NoSigningKey):
        signer(snapshot, "00000000-0000-4000-8000-000000000002")


def test_a_signer_is_built_once_per_snapshot() -> None:
    snapshot = Snapshot.of(Registry([CertificateKeyPair]), [pair(generated())])
    assert signer(snapshot, PK) is signer(snapshot, PK)


def test_the_private_key_is_never_shown() -> None:
    item = pair(generated())
    text = generated().key_data.reveal()
    kind = CertificateKeyPair.KIND
    outputs = [
        repr(item),
        str(kind.fields["key_data"].wire(item.key_data)),
        str(kind.fields["key_data"].masked(item.key_data)),
    ]
    assert not any("PRIVATE KEY" in output or text in output for output in outputs)
    assert repr(Signer(item)).count("PRIVATE") == 0
    assert item.key_data == Secret(text)
