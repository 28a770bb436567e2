"""JWE in compact serialization (RFC 7516, section 7.1).

joserfc encrypts and decrypts; it is loaded on first use, as few installations need it. The allowed algorithms are
chosen here: one for each type of key, four for the content. Compression (its output is unbounded) and extensions are
refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ostiary.proto.jose.errors import MalformedToken, UnsupportedKey
from ostiary.proto.jose.jwk import public_jwk
from ostiary.proto.jose.jwks import public_key
from ostiary.proto.jose.jws import read_header

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    from ostiary.proto.jose.keys import PrivateKey

KEY_ALGORITHMS: Final = ("RSA-OAEP-256", "ECDH-ES")
CONTENT_ALGORITHMS: Final = ("A256CBC-HS512", "A256GCM")
READABLE_CONTENT: Final = ("A256GCM", "A256CBC-HS512", "A128GCM", "A128CBC-HS256")
"""What others may encrypt to us with; the last is what clients take that were told nothing."""
MAX_ENCRYPTED_LENGTH: Final = 49_152  # characters: a signed token of 32 KiB inside

_MEMBERS: Final = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y"), "OKP": ("kty", "crv", "x")}
_DOTS: Final = 4  # dots between the five parts
_MAX_COORDINATE_LENGTH: Final = 88  # characters of base64url: 66 octets, of P-521
_LEAST_MODULUS: Final = 342  # characters of base64url: 2048 bits (RFC 7518, section 4.3)
_CURVES: Final = frozenset({"P-256", "P-384", "P-521", "X25519"})  # RFC 7518, section 6.2.1.1; RFC 8037, section 3.2


class Recipient:
    """The public encryption key of a recipient, and its algorithms (RFC 7518, sections 4 and 5)."""

    __slots__ = ("_key", "algorithm", "content", "kid")

    def __init__(self, jwk: Mapping[str, object], *, algorithm: str, content: str, kid: str | None = None) -> None:
        """Load a public JWK. Raises UnsupportedKey when it is malformed, or does not fit the algorithm."""
        require_recipient(jwk, algorithm)
        self._key: Final = _load(jwk)
        self.algorithm: Final = algorithm
        self.content: Final = content
        self.kid: Final = kid

    def __repr__(self) -> str:
        return f"Recipient({self.algorithm}, {self.content}, kid={self.kid!r})"

    def encrypt(self, payload: bytes, *, cty: str | None = "JWT") -> str:
        """Return the compact JWE of the payload. `cty` "JWT" marks a nested JWT (RFC 7519, section 5.2)."""
        from joserfc import jwe  # noqa: PLC0415 - see the top

        header: dict[str, object] = {"alg": self.algorithm, "enc": self.content, "typ": "JWT"}
        if cty is not None:
            header["cty"] = cty
        if self.kid is not None:
            header["kid"] = self.kid
        return jwe.encrypt_compact(header, payload, self._key, algorithms=[self.algorithm, self.content])


class Decrypter:
    """A private decryption key with its one algorithm."""

    __slots__ = ("_key", "algorithm")

    def __init__(self, key: PrivateKey) -> None:
        """Wrap a private key. Raises UnsupportedKey for a type that cannot decrypt."""
        jwk = public_jwk(key.public_key())
        self.algorithm: Final = "RSA-OAEP-256" if jwk["kty"] == "RSA" else "ECDH-ES"
        require_recipient(jwk, self.algorithm)
        self._key: Final = key

    def __repr__(self) -> str:
        return f"Decrypter({self.algorithm})"

    def decrypt(self, token: str) -> bytes:
        """Return the plaintext of a compact JWE. Raises MalformedToken.

        All failures of decryption have the same message: different ones would be a padding oracle.
        """
        from joserfc import jwe  # noqa: PLC0415 - see the top

        self._check_header(token)
        try:
            decrypted = jwe.decrypt_compact(token, self._wrapped(), algorithms=[self.algorithm, *READABLE_CONTENT])
        except Exception as error:
            raise MalformedToken("it cannot be decrypted") from error
        if decrypted.plaintext is None:  # pragma: no cover - the library's type allows it
            raise MalformedToken("it cannot be decrypted")
        return decrypted.plaintext

    def _check_header(self, token: str) -> None:
        # guard: A15 encrypted objects have a size limit
        if len(token) > MAX_ENCRYPTED_LENGTH:
            raise MalformedToken("too long")
        header = read_header(token.partition(".")[0])
        if header.get("alg") != self.algorithm or header.get("enc") not in READABLE_CONTENT:
            raise MalformedToken("alg or enc is another than the key's")
        # guard: A15 compressed content is refused, its size would be unbounded
        if "zip" in header or "crit" in header:
            raise MalformedToken("neither compression nor a critical extension is supported")
        point = header.get("epk", {})
        if not isinstance(point, dict) or any(len(str(one)) > _MAX_COORDINATE_LENGTH for one in point.values()):
            raise MalformedToken("epk: expected a point on the curve of the key")
        if str(header.get("cty", "JWT")).upper() != "JWT":  # RFC 7519, section 5.2
            raise MalformedToken("cty: expected a JWT inside")

    def _wrapped(self) -> RSAKey | ECKey:
        """Return the key as joserfc's. Not through PEM: loading that checks an RSA key, which takes 40 to 400 ms."""
        from joserfc.jwk import ECKey, RSAKey  # noqa: PLC0415 - see the top

        key = self._key
        if isinstance(key, rsa.RSAPrivateKey):
            return RSAKey(key, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - `check_recipient` leaves no other
        return ECKey(key, None)


def is_encrypted(token: str) -> bool:
    """Tell a JWE from a JWS by its shape: five parts, not three (RFC 7516, section 9)."""
    return token.count(".") == _DOTS


def require_recipient(jwk: Mapping[str, object], algorithm: str) -> None:
    """Require that the algorithm fits the public JWK. Raises UnsupportedKey."""
    expected = "RSA-OAEP-256" if jwk.get("kty") == "RSA" else "ECDH-ES" if str(jwk.get("crv")) in _CURVES else None
    if expected is None:
        raise UnsupportedKey("expected an RSA key, or one on P-256, P-384, P-521 or X25519")
    if algorithm != expected:
        raise UnsupportedKey(f"{algorithm} does not fit the key, expected {expected}")
    if expected == "RSA-OAEP-256" and len(str(jwk.get("n"))) < _LEAST_MODULUS:
        raise UnsupportedKey("expected an RSA key of at least 2048 bits")
    if expected == "RSA-OAEP-256":
        public_key(jwk)  # bounds the numbers before anything is computed with them


def _load(jwk: Mapping[str, object]) -> RSAKey | ECKey | OKPKey:
    """Return joserfc's key of the public members only: a private key stays unused."""
    from joserfc.errors import JoseError as Foreign  # noqa: PLC0415 - see the top
    from joserfc.jwk import ECKey, OKPKey, RSAKey  # noqa: PLC0415

    kty = str(jwk.get("kty"))
    models: dict[str, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    try:
        key = models[kty].import_key({name: str(jwk[name]) for name in _MEMBERS[kty]})
        _ = key.public_key  # read now, so that an invalid key is refused when it is saved
    except (Foreign, LookupError, ValueError, TypeError) as error:
        raise UnsupportedKey("expected a public key as a JWK (RFC 7517)") from error
    return key
