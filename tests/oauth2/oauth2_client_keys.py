"""A client with keys of its own, made with joserfc and cryptography: not the code under test."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from ostiary.proto.jose import public_jwk, thumbprint

TOKEN_URL = "https://id.example.org/application/o/token/"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """A key pair that signs whatever it is told to."""

    def __init__(self, kind: str = "ec") -> None:
        make: Mapping[str, Callable[[], Any]] = {
            "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
            "rsa": lambda: rsa.generate_private_key(65537, 2048),
            "ed": ed25519.Ed25519PrivateKey.generate,
        }
        self.private = make[kind]()
        self.alg = {"ec": "ES256", "rsa": "RS256", "ed": "EdDSA"}[kind]
        self.jwk: dict[str, str] = public_jwk(self.private.public_key())

    @property
    def jkt(self) -> str:
        return thumbprint(self.jwk)

    @property
    def jwks(self) -> dict[str, object]:
        return {"keys": [self.jwk]}

    def sign(self, header: Mapping[str, object], claims: object) -> str:
        data = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
        return f"{data}.{b64(self._signature(data.encode()))}"

    def _signature(self, data: bytes) -> bytes:
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(data)
        r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def proof(
        self, now: int, *, header: Mapping[str, object] | None = None, token: str | None = None, **claims: object
    ) -> str:
        """A DPoP proof; what is given replaces the right values, None leaves a member out."""
        made: dict[str, object] = {
            "htm": "POST",
            "htu": TOKEN_URL,
            "iat": now // 1_000_000,
            "jti": secrets.token_urlsafe(16),
        }
        if token is not None:
            made["ath"] = b64(hashlib.sha256(token.encode()).digest())
        return self.sign(
            _without({"typ": "dpop+jwt", "alg": self.alg, "jwk": self.jwk, **(header or {})}),
            _without({**made, **claims}),
        )

    def assertion(self, now: int, *, header: Mapping[str, object] | None = None, **claims: object) -> str:
        """A client assertion of the client "wiki"."""
        made = assertion_claims(now)
        return self.sign(_without({"alg": self.alg, "typ": "JWT", **(header or {})}), _without({**made, **claims}))


def assertion_claims(now: int) -> dict[str, object]:
    seconds = now // 1_000_000
    return {
        "iss": "wiki",
        "sub": "wiki",
        "aud": TOKEN_URL,
        "iat": seconds,
        "exp": seconds + 60,
        "jti": secrets.token_urlsafe(16),
    }


def _without(members: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}
