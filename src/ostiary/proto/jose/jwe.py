"""The compact serialisation of JWE (RFC 7516, section 7.1): what only the recipient may read.

The work is joserfc's, loaded when the first token is encrypted: few installations do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ostiary.proto.jose.errors import UnsupportedKey

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, OKPKey, RSAKey

KEY_ALGORITHMS: Final = ("RSA-OAEP-256", "ECDH-ES")
CONTENT_ALGORITHMS: Final = ("A256CBC-HS512", "A256GCM")
_MEMBERS: Final = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y"), "OKP": ("kty", "crv", "x")}
_LEAST_MODULUS: Final = 342  # characters of base64url: 2048 bits (RFC 7518, section 4.3)
_CURVES: Final = frozenset({"P-256", "P-384", "P-521", "X25519"})  # RFC 7518, section 6.2.1.1; RFC 8037, section 3.2


class Recipient:
    """The public key of somebody who decrypts, with the algorithms used for them (RFC 7518, sections 4 and 5)."""

    __slots__ = ("_key", "algorithm", "content", "kid")

    def __init__(self, jwk: Mapping[str, object], *, algorithm: str, content: str, kid: str | None = None) -> None:
        """Take a public key. Raises UnsupportedKey when it is none, or the algorithm is another type's."""
        check_recipient(jwk, algorithm)
        self._key: Final = _load(jwk)
        self.algorithm: Final = algorithm
        self.content: Final = content
        self.kid: Final = kid

    def __repr__(self) -> str:
        return f"Recipient({self.algorithm}, {self.content}, kid={self.kid!r})"

    def encrypt(self, payload: bytes, *, cty: str | None = "JWT") -> str:
        """Return the compact JWE of the octets. `cty` "JWT" says that a signed token is inside (RFC 7519, 5.2)."""
        from joserfc import jwe  # noqa: PLC0415 - see the top

        header: dict[str, object] = {"alg": self.algorithm, "enc": self.content, "typ": "JWT"}
        if cty is not None:
            header["cty"] = cty
        if self.kid is not None:
            header["kid"] = self.kid
        return jwe.encrypt_compact(header, payload, self._key, algorithms=[self.algorithm, self.content])


def check_recipient(jwk: Mapping[str, object], algorithm: str) -> None:
    """Check that the algorithm is one for the type of the key. Raises UnsupportedKey."""
    expected = "RSA-OAEP-256" if jwk.get("kty") == "RSA" else "ECDH-ES" if str(jwk.get("crv")) in _CURVES else None
    if expected is None:
        raise UnsupportedKey("expected an RSA key, or one on P-256, P-384, P-521 or X25519")
    if algorithm != expected:
        raise UnsupportedKey(f"{algorithm} does not fit the key, expected {expected}")
    if expected == "RSA-OAEP-256" and len(str(jwk.get("n"))) < _LEAST_MODULUS:
        raise UnsupportedKey("expected an RSA key of at least 2048 bits")


def _load(jwk: Mapping[str, object]) -> RSAKey | ECKey | OKPKey:
    """Return joserfc's key of the public members alone: a private half in a document of ours stays unused."""
    from joserfc.errors import JoseError as Foreign  # noqa: PLC0415 - see the top
    from joserfc.jwk import ECKey, OKPKey, RSAKey  # noqa: PLC0415

    kty = str(jwk.get("kty"))
    models: dict[str, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    try:
        key = models[kty].import_key({name: str(jwk[name]) for name in _MEMBERS[kty]})
        _ = key.public_key  # read now: an impossible key is told when it is saved, not when it is used
    except (Foreign, LookupError, ValueError, TypeError) as error:
        raise UnsupportedKey("expected a public key as a JWK (RFC 7517)") from error
    return key
