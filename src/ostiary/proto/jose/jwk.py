"""Public keys as JSON Web Keys (RFC 7517, RFC 7518 section 6, RFC 8037), and their thumbprints (RFC 7638)."""

from __future__ import annotations

import hashlib
import json
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ostiary.proto.jose.base64url import base64url_encode
from ostiary.proto.jose.errors import UnsupportedKey

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

_CURVE_NAMES: Final = {"secp256r1": ("P-256", 32), "secp384r1": ("P-384", 48), "secp521r1": ("P-521", 66)}


def public_jwk(key: PublicKey) -> dict[str, str]:
    """Return the JWK of a public key: kty and its numbers only. Raises UnsupportedKey."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {"kty": "RSA", "n": _unsigned(numbers.n), "e": _unsigned(numbers.e)}
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _CURVE_NAMES:
            raise UnsupportedKey(f"expected a key on P-256, P-384 or P-521, not on {key.curve.name}")
        name, size = _CURVE_NAMES[key.curve.name]
        point = key.public_numbers()
        return {"kty": "EC", "crv": name, "x": _unsigned(point.x, size), "y": _unsigned(point.y, size)}
    if isinstance(key, ed25519.Ed25519PublicKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": base64url_encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw))}
    raise UnsupportedKey("expected an RSA, elliptic curve or Ed25519 key")


def thumbprint(jwk: dict[str, str]) -> str:
    """Return the SHA-256 thumbprint of a public JWK, over its required members only (RFC 7638, section 3)."""
    members = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}[jwk["kty"]]
    text = json.dumps({name: jwk[name] for name in members}, separators=(",", ":"), sort_keys=True)
    return base64url_encode(hashlib.sha256(text.encode()).digest())


def _unsigned(number: int, size: int = 0) -> str:
    """Return Base64urlUInt, or a field element padded to `size` octets (RFC 7518, sections 2 and 6.2.1.2)."""
    return base64url_encode(number.to_bytes(max(size, (number.bit_length() + 7) // 8, 1), "big"))
