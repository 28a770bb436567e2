"""JSON Web Key Sets (RFC 7517, section 5): the verification keys of clients and issuers.

The size of a key is bounded before anything is computed with it: anybody may send one with a DPoP proof.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from ostiary.proto.jose.base64url import base64url_decode
from ostiary.proto.jose.errors import MalformedToken, UnsupportedKey
from ostiary.proto.jose.jwk import PublicKey
from ostiary.proto.jose.keys import VerifyingKey, algorithms_for, require_rsa_size

MAX_KEYS: Final = 32
_CURVES: Final[dict[str, ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
_MAX_LENGTH: Final = 700  # characters of one number of a key: 4,096 bits, with a leading zero octet or two


def verifying_keys(jwks: Mapping[str, object]) -> tuple[VerifyingKey, ...]:
    """Return the verification keys of a set, one for each key and each algorithm it may be used with.

    Keys for other purposes, and of unknown types, are ignored (RFC 7517, section 5).
    Raises UnsupportedKey for a malformed set, and for a malformed or weak key.
    """
    items = jwks.get("keys", [])
    if not isinstance(items, list | tuple) or len(items) > MAX_KEYS:
        raise UnsupportedKey(f'expected "keys", a list of at most {MAX_KEYS} keys')
    return tuple(key for item in items for key in _keys(item))


def usable_keys(jwks: Mapping[str, object]) -> tuple[VerifyingKey, ...]:
    """Return the usable verification keys of a set. Malformed, weak and unknown keys are ignored.

    RFC 7517, section 5. At most `MAX_KEYS` keys are read.
    """
    items = jwks.get("keys", [])
    keys: list[VerifyingKey] = []
    for item in items[:MAX_KEYS] if isinstance(items, list | tuple) else ():
        try:
            keys.extend(_keys(item))
        except (UnsupportedKey, MalformedToken):
            continue
    return tuple(keys)


def _keys(item: object) -> tuple[VerifyingKey, ...]:
    if not isinstance(item, Mapping):
        raise UnsupportedKey("expected each key to be an object")
    operations = item.get("key_ops")
    if item.get("use", "sig") != "sig" or (isinstance(operations, list | tuple) and "verify" not in operations):
        return ()
    key = public_key(item)
    if key is None:
        return ()
    possible, alg, kid = algorithms_for(key), item.get("alg"), item.get("kid")
    key_id = kid if isinstance(kid, str) else None
    return tuple(VerifyingKey(key, kid=key_id, algorithm=name) for name in possible if alg in (None, name))


def public_key(jwk: Mapping[str, object]) -> PublicKey | None:
    """Return the public key of a JWK; None for an unknown type. Raises UnsupportedKey."""
    try:
        match jwk.get("kty"), jwk.get("crv"):
            case "RSA", _:
                return _rsa(jwk)
            case "EC", str(curve) if curve in _CURVES:
                point = ec.EllipticCurvePublicNumbers(_number(jwk, "x"), _number(jwk, "y"), _CURVES[curve])
                return point.public_key()
            case "OKP", "Ed25519":
                return ed25519.Ed25519PublicKey.from_public_bytes(_octets(jwk, "x"))
            case _:
                return None
    except ValueError as error:
        raise UnsupportedKey("expected a public key as a JWK (RFC 7517)") from error


def _rsa(jwk: Mapping[str, object]) -> rsa.RSAPublicKey:
    modulus, exponent = _number(jwk, "n"), _number(jwk, "e")
    require_rsa_size(modulus, exponent)
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _number(jwk: Mapping[str, object], name: str) -> int:
    return int.from_bytes(_octets(jwk, name), "big")


def _octets(jwk: Mapping[str, object], name: str) -> bytes:
    value = jwk.get(name)
    if not isinstance(value, str):
        raise UnsupportedKey(f"expected the member {name} to be a text")
    if len(value) > _MAX_LENGTH:
        raise UnsupportedKey(f"expected the member {name} to have at most {_MAX_LENGTH} characters")
    return base64url_decode(value)
