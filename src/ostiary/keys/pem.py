"""PEM readers without the X.509 library, whose import takes a tenth of the start-up time.

They do not validate: `certificate.validate_pair` did so when the pair was saved.
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
_proven: Final[BoundedCache[bytes, bytes]] = BoundedCache(1_024)  # digests of PEM texts


def read_private_key(pem: str, *, proven: bool = False) -> PrivateKey:
    """Return the private key of a PEM text. Raises UnreadableKey, also for unsupported key types.

    `proven` skips the primality check of an RSA key, which takes as long as many signatures. Use it for a key that
    passed the check before it was sealed. Keys that passed in this process are cached by digest, so that a key shared
    by a thousand applications is checked once.
    """
    key = _load(pem, proven=True)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise UnreadableKey("expected an RSA, elliptic curve or Ed25519 key")
    digest = hashlib.sha256(pem.encode()).digest()
    if proven or not isinstance(key, rsa.RSAPrivateKey) or digest in _proven:
        return key
    try:
        require_key_size(key)  # first, because the primality check takes longer for a larger key
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
    """Return the DER encoding of the first certificate of a PEM text. Raises UnreadableKey."""
    block = _CERTIFICATE.search(pem)
    if block is not None:
        try:
            return b64decode("".join(block[1].split()), validate=True)
        except binascii.Error as error:
            raise UnreadableKey("expected a certificate in PEM") from error
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 - rare: an older PEM label

    from ostiary.keys.x509 import read_certificate  # noqa: PLC0415

    return read_certificate(pem).public_bytes(Encoding.DER)


def key_id(key_pem: str) -> str:
    """Return the `kid` of a key: SHA-512 of the PEM text as unpadded base64url, as in authentik since 2025.12."""
    return base64url_encode(hashlib.sha512(key_pem.encode()).digest())
