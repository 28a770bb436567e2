"""The PEM readers without the X.509 library: they return and refuse the same as that library."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ostiary.keys.certificate import generate_self_signed
from ostiary.keys.errors import UnreadableKey
from ostiary.keys.pem import certificate_der, read_private_key

PAIR = generate_self_signed("a pair", "id.example.org", now=1_800_000_000_000_000, key_type="ec-p256")
OTHER = generate_self_signed("another", "other.example.org", now=1_800_000_000_000_000, key_type="ec-p256")
PEM = PAIR.certificate_data


@pytest.mark.parametrize(
    "pem",
    [
        PEM,
        PEM.strip(),
        PEM.replace("\n", "\r\n"),
        f"subject=CN = id.example.org\n\n{PEM}",
        PEM + OTHER.certificate_data,
        PAIR.key_data.reveal() + PEM,
        PEM.replace(" CERTIFICATE-", " X509 CERTIFICATE-"),
    ],
    ids=["plain", "stripped", "carriage returns", "text before", "a chain", "a key before", "the older spelling"],
)
def test_the_der_of_a_certificate_is_that_of_the_x509_library(pem: str) -> None:
    assert certificate_der(pem) == x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "nothing",
        PAIR.key_data.reveal(),
        "-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----\n",
        PEM.partition("-----END")[0],
    ],
    ids=["empty", "a word", "a key", "no base64", "no end"],
)
def test_a_malformed_certificate_is_refused(pem: str) -> None:
    with pytest.raises(UnreadableKey, match="expected a certificate in PEM"):
        certificate_der(pem)


def test_a_proven_key_is_the_same_key() -> None:
    pem = generate_self_signed("rsa", "id.example.org", now=1_800_000_000_000_000).key_data.reveal()
    assert _numbers(pem, proven=True) == _numbers(pem, proven=False)


def test_a_key_with_composite_factors_is_refused() -> None:
    numbers = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_numbers()
    p, q = numbers.p * 3, numbers.q
    false = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=numbers.d,
        dmp1=numbers.d % (p - 1),
        dmq1=numbers.dmq1,
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(e=65537, n=p * q),
    ).private_key(unsafe_skip_rsa_key_validation=True)
    with pytest.raises(UnreadableKey):
        read_private_key(false.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def _numbers(pem: str, *, proven: bool) -> rsa.RSAPrivateNumbers:
    key = read_private_key(pem, proven=proven)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key.private_numbers()
