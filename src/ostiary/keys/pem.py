"""Reading keys and certificates without X.509, whose library costs a tenth of a start.

What is read here to be used, not to be judged: `certificate.problems` judged it when it was saved.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from base64 import b64decode
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ostiary.keys.errors import UnreadableKey
from ostiary.proto.jose import PrivateKey, UnsupportedKey, base64url_encode, require_key_size
from ostiary.resource.bounded_cache import BoundedCache

_CERTIFICATE: Final = re.compile(
    r"^-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----", re.MULTILINE
)
_proven: Final[BoundedCache[bytes, bytes]] = BoundedCache(1_024)  # digests of texts


def read_private_key(pem: str, *, proven: bool = False) -> PrivateKey:
    """Return the private key of a PEM text. Raises UnreadableKey, also for types that are not used here.

    `proven` is for keys that were read without it before, and were sealed since: OpenSSL does not try again whether
    the factors of an RSA key are primes, which takes as long as many signatures. What was proven once in this process
    is known by its digest: a thousand applications with one key do not prove it a thousand times.
    """
    key = _load(pem, proven=True)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise UnreadableKey("expected an RSA, elliptic curve or Ed25519 key")
    digest = hashlib.sha256(pem.encode()).digest()
    if proven or not isinstance(key, rsa.RSAPrivateKey) or digest in _proven:
        return key
    try:
        require_key_size(key)  # before it is proven: that takes time by the size
    except UnsupportedKey as error:
        raise UnreadableKey(str(error)) from error
    _load(pem, proven=False)
    _proven.keep(digest, digest)
    return key


def _load(pem: str, *, proven: bool) -> object:
    try:
        return load_pem_private_key(pem.encode(), password=None, unsafe_skip_rsa_key_validation=proven)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnreadableKey("expected a private key in PEM without a passphrase") from error


def certificate_der(pem: str) -> bytes:
    """Return the octets of the first certificate of a PEM text. Raises UnreadableKey."""
    found = _CERTIFICATE.search(pem)
    if found is not None:
        try:
            return b64decode("".join(found[1].split()), validate=True)
        except binascii.Error as error:
            raise UnreadableKey("expected a certificate in PEM") from error
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 - an older spelling

    from ostiary.keys.x509 import read_certificate  # noqa: PLC0415

    return read_certificate(pem).public_bytes(Encoding.DER)


def key_id(key_pem: str) -> str:
    """Return the kid of a key: unpadded base64url of SHA-512 over the PEM text, as authentik 2025.12 makes it."""
    return base64url_encode(hashlib.sha512(key_pem.encode()).digest())
