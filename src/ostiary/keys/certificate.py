"""Certificate-key pairs: validation, and generation of self-signed pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from ostiary.keys.errors import UnreadableKey
from ostiary.keys.pem import read_private_key
from ostiary.keys.x509 import read_certificate
from ostiary.proto.jose import JoseError, PrivateKey, algorithm_for, require_key_size
from ostiary.record import dataclass
from ostiary.resource import Problem
from ostiary.seal import Secret

KeyType = Literal["rsa-2048", "rsa-3072", "rsa-4096", "ec-p256", "ec-p384", "ec-p521", "ed25519"]
_RSA_BITS: Final[Mapping[KeyType, int]] = {"rsa-2048": 2048, "rsa-3072": 3072, "rsa-4096": 4096}
_CURVES: Final[Mapping[KeyType, ec.EllipticCurve]] = {
    "ec-p256": ec.SECP256R1(),
    "ec-p384": ec.SECP384R1(),
    "ec-p521": ec.SECP521R1(),
}
DEFAULT_VALIDITY: Final = timedelta(days=3650)
_BACKDATE: Final = timedelta(days=1)  # a client's clock may be behind ours


@dataclass(frozen=True, slots=True)
class Generated:
    """A generated pair in PEM."""

    name: str
    certificate_data: str
    key_data: Secret


def validate_pair(certificate_pem: str, key_pem: str) -> Iterator[Problem]:
    """Yield the problems of a pair: unreadable PEM, a key too weak or too large, a key of another certificate."""
    certificate = key = None
    try:
        certificate = read_certificate(certificate_pem)
        require_key_size(certificate.public_key())
    except (UnreadableKey, JoseError) as error:
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
        yield Problem("key_data", "expected the private key of this certificate, got that of another one")


def generate_self_signed(
    name: str,
    common_name: str,
    *,
    now: int,
    key_type: KeyType = "rsa-2048",
    validity: timedelta = DEFAULT_VALIDITY,
) -> Generated:
    """Return a new key and its self-signed certificate. `now` is in microseconds UTC. RSA takes about 0.1 seconds."""
    key = _new_key(key_type)
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
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    return Generated(
        name,
        certificate.public_bytes(Encoding.PEM).decode("ascii"),
        Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")),
    )


def key_type_of(key: PrivateKey) -> KeyType:
    """Return the key type of a key's successor: the same algorithm, at least the same size."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return next(name for name, curve in _CURVES.items() if curve.name == key.curve.name)
    return next((name for name, bits in _RSA_BITS.items() if key.key_size <= bits), "rsa-4096")


def _new_key(key_type: KeyType) -> PrivateKey:
    if key_type == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if key_type in _CURVES:
        return ec.generate_private_key(_CURVES[key_type])
    return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS[key_type])


def _spki(key: object) -> bytes:
    spki: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return spki
