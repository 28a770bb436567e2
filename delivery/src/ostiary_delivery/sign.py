"""Signatures for cosign and skopeo with one's own key: no certificate service, no public log.

An image's signature is a "simple signing" payload, its attestations are DSSE envelopes; both are stored in the
registry beside the image under the tags sha256-<digest>.sig and .att, where cosign looks for them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ostiary_delivery.errors import BadDefinition
from ostiary_delivery.layer import digest_of
from ostiary_delivery.oci import CONFIG, MANIFEST, encode

SIMPLE: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
ENVELOPE: Final = "application/vnd.dsse.envelope.v1+json"
PAYLOAD: Final = "application/vnd.in-toto+json"
SIGNATURE: Final = "dev.cosignproject.cosign/signature"
KIND: Final = "predicateType"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A signature or attestations in the registry: manifest, its blobs, and its tag."""

    tag: str
    manifest: bytes
    blobs: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Signer:
    """A P-256 private key. Its repr shows nothing."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def load(cls, path: Path, *, password: str | None) -> Signer:
        """Read a PEM file.

        Raises:
            BadDefinition: it is missing, not a P-256 key, or encrypted with another password.
        """
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password.encode() if password else None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise BadDefinition(f"{path} cannot be used as a key: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise BadDefinition(f"{path} is not a P-256 key")
        return cls(key)

    def public(self) -> bytes:
        """Return the public key as PEM."""
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, data: bytes) -> str:
        """Return an ECDSA signature over SHA-256, in base64."""
        return base64.b64encode(self.key.sign(data, ec.ECDSA(hashes.SHA256()))).decode()


def new_key(*, password: str | None) -> bytes:
    """Generate a private key (PEM), encrypted if there is a password."""
    sealing: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        sealing = serialization.BestAvailableEncryption(password.encode())
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealing)


def signature(digest: str, *, place: str, signer: Signer) -> Attachment:
    """Sign an image at a place (host/path)."""
    payload = encode(
        {
            "critical": {
                "identity": {"docker-reference": place},
                "image": {"docker-manifest-digest": digest},
                "type": "cosign container image signature",
            },
            "optional": None,
        }
    )
    return _attachment(digest, "sig", [(SIMPLE, payload, {SIGNATURE: signer.sign(payload)})])


def attestations(digest: str, statements: Sequence[bytes], *, signer: Signer) -> Attachment:
    """Sign in-toto statements about an image, each as an envelope (DSSE 1)."""
    layers = []
    for body in statements:
        message = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD), PAYLOAD.encode(), len(body), body)
        envelope = encode(
            {
                "payloadType": PAYLOAD,
                "payload": base64.b64encode(body).decode(),
                "signatures": [{"keyid": "", "sig": signer.sign(message)}],
            }
        )
        layers.append((ENVELOPE, envelope, {SIGNATURE: "", KIND: str(json.loads(body)[KIND])}))
    return _attachment(digest, "att", layers)


def _attachment(digest: str, end: str, layers: Sequence[tuple[str, bytes, dict[str, str]]]) -> Attachment:
    config = encode(
        {
            "architecture": "",
            "os": "",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(data) for _, data, _ in layers]},
        }
    )
    descriptors: list[dict[str, Any]] = [
        {"mediaType": kind, "digest": digest_of(data), "size": len(data), "annotations": notes}
        for kind, data, notes in layers
    ]
    manifest = encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": digest_of(config), "size": len(config)},
            "layers": descriptors,
        }
    )
    blobs = {digest_of(config): config, **{digest_of(data): data for _, data, _ in layers}}
    return Attachment(tag=f"{digest.replace(':', '-')}.{end}", manifest=manifest, blobs=blobs)
