"""Signing and verification keys. Each has one algorithm; the token never chooses it (RFC 8725, section 3.1)."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from hashlib import sha256, sha384, sha512
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from ostiary.proto.jose.base64url import base64url_encode
from ostiary.proto.jose.errors import UnsupportedKey
from ostiary.proto.jose.jwk import PublicKey

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

LEAST_RSA_BITS: Final = 2048  # RFC 7518, section 3.3
MAX_RSA_BITS: Final = 4096
LEAST_EXPONENT: Final = 3
MAX_EXPONENT: Final = 2**32  # of clients' RSA keys: the time of a verification grows with its bits
LEAST_SECRET: Final = 32  # octets of an HS256 key (RFC 7518, section 3.2)
_PKCS1: Final = padding.PKCS1v15()
# RFC 7518, sections 3.3 and 3.5: algorithm -> padding, hash.
_RSA: Final[dict[str, tuple[padding.AsymmetricPadding, hashes.HashAlgorithm]]] = {
    "RS256": (_PKCS1, hashes.SHA256()),
    "RS384": (_PKCS1, hashes.SHA384()),
    "RS512": (_PKCS1, hashes.SHA512()),
    "PS256": (padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size), hashes.SHA256()),
    "PS384": (padding.PSS(padding.MGF1(hashes.SHA384()), hashes.SHA384().digest_size), hashes.SHA384()),
    "PS512": (padding.PSS(padding.MGF1(hashes.SHA512()), hashes.SHA512().digest_size), hashes.SHA512()),
}
# RFC 7518, section 3.2: algorithm -> hash, least octets of the key.
_SECRETS: Final = {"HS256": (sha256, 32), "HS384": (sha384, 48), "HS512": (sha512, 64)}
# RFC 7518, section 3.4: curve -> algorithm, hash, length of one coordinate in bytes.
_CURVES: Final[dict[str, tuple[str, ec.ECDSA, int]]] = {
    "secp256r1": ("ES256", ec.ECDSA(hashes.SHA256()), 32),
    "secp384r1": ("ES384", ec.ECDSA(hashes.SHA384()), 48),
    "secp521r1": ("ES512", ec.ECDSA(hashes.SHA512()), 66),
}


def algorithms_for(key: PrivateKey | PublicKey | bytes) -> tuple[str, ...]:
    """Return the JWS algorithms of a key, the default first. Raises UnsupportedKey.

    A secret always allows HS256; HS384 and HS512 need one as long as the hash (RFC 7518, section 3.2).
    """
    if isinstance(key, bytes):
        # guard: A14 a secret shorter than the hash is refused
        return tuple(name for name, (_, least) in _SECRETS.items() if name == "HS256" or len(key) >= least)
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        if key.key_size < LEAST_RSA_BITS:
            raise UnsupportedKey(f"expected an RSA key of at least {LEAST_RSA_BITS} bits, not {key.key_size}")
        return tuple(_RSA)
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        if key.curve.name not in _CURVES:
            raise UnsupportedKey(f"expected a key on P-256, P-384 or P-521, not on {key.curve.name}")
        return (_CURVES[key.curve.name][0],)
    if isinstance(key, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey):
        return ("EdDSA",)
    raise UnsupportedKey("expected an RSA, elliptic curve or Ed25519 key")


def require_key_size(key: object) -> None:
    """Refuse a client's key that is expensive to use: its sender must not choose our costs.

    That is RSA with more than `MAX_RSA_BITS`, or a public exponent beyond `MAX_EXPONENT`. Raises UnsupportedKey.
    """
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers().public_numbers
    elif isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
    else:
        return
    require_rsa_size(numbers.n, numbers.e)


def require_rsa_size(modulus: int, exponent: int) -> None:
    """Refuse the same by the numbers, before anything is computed with them. Raises UnsupportedKey."""
    # guard: A69 a foreign RSA modulus is bounded
    if modulus.bit_length() > MAX_RSA_BITS:
        raise UnsupportedKey(f"expected an RSA key of at most {MAX_RSA_BITS} bits")
    # guard: A69 a foreign RSA exponent is bounded
    if not LEAST_EXPONENT <= exponent <= MAX_EXPONENT or exponent % 2 == 0:
        raise UnsupportedKey("expected an RSA key with a small public exponent, such as 65537")


def algorithm_for(key: PrivateKey | PublicKey | bytes, requested: str | None = None) -> str:
    """Return the algorithm of a key: `requested`, else the default. Raises UnsupportedKey."""
    possible = algorithms_for(key)
    if not requested:
        return possible[0]
    if requested not in possible:
        raise UnsupportedKey(f"{requested} does not fit the key, expected {' or '.join(possible)}")
    return requested


def _signer(key: PrivateKey | bytes, algorithm: str) -> Callable[[bytes], bytes]:
    """Return the signing function of a key. Its type is looked at once."""
    if isinstance(key, bytes):
        kind = _SECRETS[algorithm][0]
        return lambda data: hmac.digest(key, data, kind)
    if isinstance(key, rsa.RSAPrivateKey):
        scheme, digest = _RSA[algorithm]
        return lambda data: key.sign(data, scheme, digest)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        _, curve, size = _CURVES[key.curve.name]

        def sign(data: bytes) -> bytes:
            r, s = decode_dss_signature(key.sign(data, curve))
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")

        return sign
    return key.sign


class SigningKey:
    """A private key (or an HMAC secret) with its algorithm and its kid. Encoded headers are cached."""

    __slots__ = ("_headers", "_key", "_sign", "algorithm", "kid", "slow")

    def __init__(self, key: PrivateKey | bytes, *, kid: str | None = None, algorithm: str | None = None) -> None:
        self.algorithm: Final = algorithm_for(key, algorithm)
        self.kid: Final = kid
        self._key: Final = key
        self._sign: Final = _signer(key, self.algorithm)
        self._headers: Final[dict[str, str]] = {}
        self.slow: Final = isinstance(key, rsa.RSAPrivateKey)
        """Whether a signature is worth a thread: RSA releases the interpreter and costs ten times an elliptic curve."""

    def __repr__(self) -> str:
        return f"SigningKey({self.algorithm}, kid={self.kid!r})"

    def header(self, typ: str) -> str:
        """Return the encoded header of tokens of that `typ`, which is cached."""
        header = self._headers.get(typ)
        if header is None:
            fields = {"alg": self.algorithm, "typ": typ, **({"kid": self.kid} if self.kid is not None else {})}
            header = self._headers[typ] = base64url_encode(json.dumps(fields, separators=(",", ":")).encode())
        return header

    def signature(self, data: bytes) -> bytes:
        """Return the signature of the data, in the format of RFC 7518, section 3."""
        return self._sign(data)

    def verifying(self) -> VerifyingKey:
        """Return the verification key."""
        key = self._key
        public = key if isinstance(key, bytes) else key.public_key()
        return VerifyingKey(public, kid=self.kid, algorithm=self.algorithm)

    def verifying_all(self) -> tuple[VerifyingKey, ...]:
        """Return the verification keys for all algorithms of the key: a retired key may have used any of them."""
        key = self._key
        public = key if isinstance(key, bytes) else key.public_key()
        return tuple(VerifyingKey(public, kid=self.kid, algorithm=name) for name in algorithms_for(public))


class VerifyingKey:
    """A public key (or an HMAC secret) with its one algorithm."""

    __slots__ = ("_key", "algorithm", "kid")

    def __init__(self, key: PublicKey | bytes, *, kid: str | None = None, algorithm: str | None = None) -> None:
        self.algorithm: Final = algorithm_for(key, algorithm)
        self.kid: Final = kid
        self._key: Final = key

    def __repr__(self) -> str:
        return f"VerifyingKey({self.algorithm}, kid={self.kid!r})"

    def accepts(self, data: bytes, signature: bytes) -> bool:
        """Return whether the signature of the data is valid."""
        key = self._key
        if isinstance(key, bytes):
            return hmac.compare_digest(hmac.digest(key, data, _SECRETS[self.algorithm][0]), signature)
        try:
            if isinstance(key, rsa.RSAPublicKey):
                scheme, digest = _RSA[self.algorithm]
                key.verify(signature, data, scheme, digest)
            elif isinstance(key, ec.EllipticCurvePublicKey):
                _, curve, size = _CURVES[key.curve.name]
                if len(signature) != 2 * size:
                    return False
                r, s = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
                key.verify(encode_dss_signature(r, s), data, curve)
            else:
                key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


def secret_keys(secret: bytes) -> tuple[VerifyingKey, ...]:
    """Return the verification keys of a shared secret, one for each algorithm."""
    return tuple(VerifyingKey(secret, algorithm=name) for name in algorithms_for(secret))
