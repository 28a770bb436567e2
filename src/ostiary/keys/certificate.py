"""X.509 and PEM: reading pairs, checking them, and making self-signed ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from ostiary.proto.jose import JoseError, PrivateKey, algorithm_for, base64url_encode
from ostiary.resource import Problem
from ostiary.seal import Secret

KeyType = Literal["rsa-2048", "ec-p256"]
DEFAULT_VALIDITY: Final = timedelta(days=3650)
_BACKDATE: Final = timedelta(days=1)  # clocks of clients may be behind ours


class UnreadableKey(ValueError):
    """A certificate or key that is not what it should be; the text completes "expected ..."."""


@dataclass(frozen=True, slots=True)
class Generated:
    """A new pair in PEM."""

    name: str
    certificate_data: str
    key_data: Secret


def read_certificate(pem: str) -> x509.Certificate:
    """Return the first certificate of a PEM text. Raises UnreadableKey."""
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnreadableKey("expected a certificate in PEM") from error


def read_private_key(pem: str) -> PrivateKey:
    """Return the private key of a PEM text. Raises UnreadableKey, also for types that are not used here."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnreadableKey("expected a private key in PEM without a passphrase") from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise UnreadableKey("expected an RSA, elliptic curve or Ed25519 key")
    return key


def problems(certificate_pem: str, key_pem: str) -> Iterator[Problem]:
    """Yield what is wrong with a pair: unreadable parts, a key too weak to sign, halves that do not match."""
    certificate = key = None
    try:
        certificate = read_certificate(certificate_pem)
    except UnreadableKey as error:
        yield Problem("certificate_data", str(error))
    if not key_pem:
        return
    try:
        key = read_private_key(key_pem)
        algorithm_for(key)
    except (UnreadableKey, JoseError) as error:
        yield Problem("key_data", str(error))
        return
    if certificate is not None and _spki(certificate.public_key()) != _spki(key.public_key()):
        yield Problem("key_data", "expected the private key of this certificate, and it belongs to another one")


def key_id(key_pem: str) -> str:
    """Return the kid of a key: unpadded base64url of SHA-512 over the PEM text, as authentik 2025.12 makes it."""
    return base64url_encode(hashlib.sha512(key_pem.encode()).digest())


def generate_self_signed(
    name: str,
    common_name: str,
    *,
    now: int,
    key_type: KeyType = "rsa-2048",
    validity: timedelta = DEFAULT_VALIDITY,
) -> Generated:
    """Make a key and a certificate it signs itself. `now` is in microseconds UTC. Takes a tenth of a second for RSA."""
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    if key_type == "rsa-2048":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    else:
        key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, common_name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ostiary")]
    )
    start = datetime.fromtimestamp(now // 1_000_000, tz=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - _BACKDATE)
        .not_valid_after(start + validity)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(common_name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Generated(
        name,
        certificate.public_bytes(Encoding.PEM).decode("ascii"),
        Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")),
    )


def _spki(key: object) -> bytes:
    made: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return made
