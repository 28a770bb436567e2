"""A software authenticator: makes passkeys and answers with them, as a browser does, and lies where it is told to."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import uuid
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
ORIGIN = "http://localhost:9000"
YUBIKEY = "ee882879-721c-4913-9775-3dfcce97072a"


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def octets(encoded: str) -> bytes:
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))


def _number(value: int, length: int) -> bytes:
    return value.to_bytes(length, "big")


class ES256:
    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def cose(self) -> dict[int, Any]:
        numbers = self._key.public_key().public_numbers()
        return {1: 2, 3: -7, -1: 1, -2: _number(numbers.x, 32), -3: _number(numbers.y, 32)}

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data, ec.ECDSA(hashes.SHA256()))


class EdDSA:
    def __init__(self) -> None:
        self._key = ed25519.Ed25519PrivateKey.generate()

    def cose(self) -> dict[int, Any]:
        return {1: 1, 3: -8, -1: 6, -2: self._key.public_key().public_bytes_raw()}

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)


class RS256:
    def __init__(self) -> None:
        self._key = rsa.generate_private_key(65537, 2048)

    def cose(self) -> dict[int, Any]:
        numbers = self._key.public_key().public_numbers()
        return {1: 3, 3: -257, -1: _number(numbers.n, 256), -2: _number(numbers.e, 3)}

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())


@dataclass
class SoftKey:
    """One passkey. `origin` is that of the page, `rp_id` overrides the one it is asked for."""

    key: Any = field(default_factory=ES256)
    aaguid: str = YUBIKEY
    origin: str = ORIGIN
    count: int = 1
    verified: bool = True
    rp_id: str | None = None
    packed: bool = True
    more: dict[str, Any] = field(default_factory=dict)
    credential: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    handle: str | None = None

    @property
    def id(self) -> str:
        return text(self.credential)

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        """Answer creation options."""
        self.handle = options["user"]["id"]
        client = self._client("webauthn.create", options["challenge"])
        attested = uuid.UUID(self.aaguid).bytes + _number(len(self.credential), 2) + self.credential
        data = self._data(options["rp"]["id"], ATTESTED) + attested + cbor2.dumps(self.key.cose())
        statement: dict[str, Any] = {}
        if self.packed:
            statement = {"alg": self.key.cose()[3], "sig": self.key.sign(data + hashlib.sha256(client).digest())}
        made = cbor2.dumps({"fmt": "packed" if self.packed else "none", "attStmt": statement, "authData": data})
        answer = {"clientDataJSON": text(client), "attestationObject": text(made), "transports": ["usb", "odd"]}
        return {"id": self.id, "rawId": self.id, "type": "public-key", "registrationClientExtensions": "{}", "response": answer}  # fmt: skip

    def get(self, options: dict[str, Any]) -> dict[str, Any]:
        """Answer request options. The counter goes up, unless it is 0."""
        client = self._client("webauthn.get", options["challenge"])
        self.count += 1 if self.count else 0
        data = self._data(options["rpId"], 0)
        answer = {
            "clientDataJSON": text(client),
            "authenticatorData": text(data),
            "signature": text(self.key.sign(data + hashlib.sha256(client).digest())),
            "userHandle": self.handle,
        }
        return {"id": self.id, "rawId": self.id, "type": "public-key", "response": answer}

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, **self.more}).encode()

    def _data(self, rp_id: str, flags: int) -> bytes:
        flags |= PRESENT | (VERIFIED if self.verified else 0)
        return hashlib.sha256((self.rp_id or rp_id).encode()).digest() + bytes([flags]) + _number(self.count, 4)
