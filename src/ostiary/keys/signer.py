"""Signers and public keys of certificate-key pairs, cached per snapshot."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from typing import Final, Literal, cast

from ostiary.keys.pem import certificate_der, key_id, read_private_key
from ostiary.keys.resources import CertificateKeyPair
from ostiary.proto.jose import PublicKey, SigningKey, base64url_encode, public_jwk
from ostiary.resource import Pk
from ostiary.store.configuration.snapshot import Snapshot


class NoSigningKey(LookupError):
    """The pair does not exist, or has no private key."""


class Signer:
    """The signing key of a pair, and the JWK with which clients verify its signatures.

    `algorithm` must fit the key; the default is the usual algorithm of the key type. Raises UnsupportedKey.
    """

    __slots__ = ("jwk", "key", "pair")

    def __init__(self, pair: CertificateKeyPair, algorithm: str | None = None) -> None:
        private = read_private_key(pair.key_data.reveal(), proven=True)
        self.pair: Final = pair
        self.key: Final = SigningKey(private, kid=kid_of(pair), algorithm=algorithm)
        self.jwk: Final[Mapping[str, object]] = {
            "alg": self.key.algorithm,
            "kid": self.key.kid,
            "use": "sig",
            **public_jwk(private.public_key()),
            **certificate_members(pair.certificate_data),
        }

    def __repr__(self) -> str:
        return f"Signer({self.pair.name!r}, {self.key!r})"


def signer(snapshot: Snapshot, pk: Pk, algorithm: str | None = None) -> Signer:
    """Return the signer of a pair. Raises NoSigningKey, and UnsupportedKey when the algorithm does not fit the key."""

    def build() -> Signer:
        pair = snapshot.get(CertificateKeyPair, pk)
        if pair is None or not pair.key_data:
            raise NoSigningKey(str(pk))
        return Signer(pair, algorithm)

    return snapshot.memo(("keys.signer", pk, algorithm or ""), build)


def certificate_public_key(pair: CertificateKeyPair) -> PublicKey:
    """Return the public key of a pair's certificate. The pair needs no private key."""
    from ostiary.keys.x509 import read_certificate  # noqa: PLC0415 - X.509 is loaded on first use

    return cast("PublicKey", read_certificate(pair.certificate_data).public_key())


def certificate_jwk(pair: CertificateKeyPair, *, use: Literal["sig", "enc"]) -> Mapping[str, object]:
    """Return the JWK of a pair's certificate, without `alg` (RFC 7517). Raises UnsupportedKey."""
    return {
        "kid": kid_of(pair),
        "use": use,
        **public_jwk(certificate_public_key(pair)),
        **certificate_members(pair.certificate_data),
    }


def kid_of(pair: CertificateKeyPair) -> str:
    """Return the key id: the configured one, which clients may have cached, or one derived from the private key.

    Without a private key it is derived from the certificate.
    """
    return pair.kid or key_id(pair.key_data.reveal() or pair.certificate_data)


def certificate_members(certificate_pem: str) -> dict[str, object]:
    """Return x5c, x5t and x5t#S256 of a certificate (RFC 7517, sections 4.7 to 4.9)."""
    der = certificate_der(certificate_pem)
    return {
        "x5c": [b64encode(der).decode("ascii")],
        "x5t": base64url_encode(hashlib.sha1(der).digest()),  # noqa: S324 - RFC 7517 requires SHA-1 here
        "x5t#S256": base64url_encode(hashlib.sha256(der).digest()),
    }
