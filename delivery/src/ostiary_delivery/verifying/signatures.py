"""Signatures and attestations that lie beside an image, verified with a public key one has, as cosign does."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ostiary_delivery.errors import BadDefinition
from ostiary_delivery.sign import PAYLOAD, SIGNATURE
from ostiary_delivery.verifying.subject import Subject

STATEMENTS: Final = {"https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"}
Key = ec.EllipticCurvePublicKey


def load(path: Path) -> Key:
    """Read a public key (PEM, P-256).

    Raises:
        BadDefinition: it is something else.
    """
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadDefinition(f"{path} cannot be used as a public key: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadDefinition(f"{path} is not a public key of P-256")
    return key


def signed(subject: Subject, key: Key) -> str | None:
    """Return None when a signature of the key is for exactly this image at this place, else what is wrong."""
    found = list(_beside(subject, "sig"))
    if not found:
        return "there is no signature"
    wrong = "no signature is of this key and for this image"
    for notes, payload in found:
        if not _verified(key, notes.get(SIGNATURE, ""), payload):
            continue
        try:
            critical = json.loads(payload)["critical"]
            digest = critical["image"]["docker-manifest-digest"]
            place = critical["identity"]["docker-reference"]
        except (ValueError, KeyError, TypeError):
            continue
        if digest == subject.digest and place == subject.place:
            return None
        if digest == subject.digest:
            wrong = f"the signature is for {place}, and this is {subject.place}"
    return wrong


def statements(subject: Subject, key: Key) -> dict[str, Any]:
    """Return what attestations of the key say of exactly this image: predicate type -> predicate."""
    told: dict[str, Any] = {}
    for _, body in _beside(subject, "att"):
        try:
            envelope = json.loads(body)
            payload = base64.b64decode(envelope["payload"], validate=True)
            kind = str(envelope["payloadType"])
            message = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
            good = any(_verified(key, str(one["sig"]), message) for one in envelope["signatures"])
            statement = json.loads(payload)
            subjects = [one["digest"]["sha256"] for one in statement["subject"]]
            of = str(statement["predicateType"])
        except (ValueError, KeyError, TypeError):
            continue
        right = kind == PAYLOAD and statement.get("_type") in STATEMENTS
        if good and right and subject.digest.removeprefix("sha256:") in subjects:
            told[of] = statement.get("predicate")
    return told


def _beside(subject: Subject, end: str) -> Iterator[tuple[dict[str, str], bytes]]:
    if subject.registry is None:
        return
    manifest = subject.registry.manifest(f"{subject.digest.replace(':', '-')}.{end}")
    if manifest is None:
        return
    for layer in json.loads(manifest)["layers"]:
        yield layer.get("annotations") or {}, subject.registry.blob(str(layer["digest"]))


def _verified(key: Key, signature: str, message: bytes) -> bool:
    try:
        key.verify(base64.b64decode(signature, validate=True), message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True
