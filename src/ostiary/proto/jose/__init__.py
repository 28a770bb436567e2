"""Compact JWS for our own tokens (RFC 7515, 7518, 7519), public keys as JWK with thumbprints (RFC 7517, 7638), and JWE.

Pure: keys and bytes in, texts out. JWE is joserfc's work; all else is ours.
"""

from ostiary.proto.jose.base64url import base64url_decode, base64url_encode
from ostiary.proto.jose.errors import BadSignature, JoseError, MalformedToken, UnsupportedKey
from ostiary.proto.jose.jwe import Decrypter, Recipient, require_recipient
from ostiary.proto.jose.jwk import PublicKey, public_jwk, thumbprint
from ostiary.proto.jose.jws import VerifiedJws, peek_header, sign, verify
from ostiary.proto.jose.keys import (
    PrivateKey,
    SigningKey,
    VerifyingKey,
    algorithm_for,
    algorithms_for,
    require_key_size,
    secret_keys,
)

__all__ = [
    "BadSignature",
    "Decrypter",
    "JoseError",
    "MalformedToken",
    "PrivateKey",
    "PublicKey",
    "Recipient",
    "SigningKey",
    "UnsupportedKey",
    "VerifiedJws",
    "VerifyingKey",
    "algorithm_for",
    "algorithms_for",
    "base64url_decode",
    "base64url_encode",
    "jwe",
    "jwks",
    "peek_header",
    "public_jwk",
    "require_key_size",
    "require_recipient",
    "secret_keys",
    "sign",
    "thumbprint",
    "verify",
]
