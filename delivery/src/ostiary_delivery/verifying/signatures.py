"""Signatures and attestations of an image, verified with a given public key, as cosign does."""

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
        BadDefinition: it is no such key.
    """
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadDefinition(f"{path} cannot be used as a public key: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadDefinition(f"{path} is not a public key of P-256")
    return key


def signed(subject: Subject, key: Key) -> str | None:
    """Verify that the key signed exactly this image at this place; return the problem, or None."""
    signatures = list(_attachments(subject, "sig"))
    if not signatures:
        return "there is no signature"
    problem = "no signature is of this key and for this image"
    for notes, payload in signatures:
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
            problem = f"the signature is for {place}, and this is {subject.place}"
    return problem


def statements(subject: Subject, key: Key) -> dict[str, Any]:
    """Return the attestations by the key about exactly this image: predicate type -> predicate."""
    predicates: dict[str, Any] = {}
    for _, body in _attachments(subject, "att"):
        try:
            envelope = json.loads(body)
            payload = base64.b64decode(envelope["payload"], validate=True)
            kind = str(envelope["payloadType"])
            message = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
            signature_holds = any(_verified(key, str(one["sig"]), message) for one in envelope["signatures"])
            statement = json.loads(payload)
            subjects = [one["digest"]["sha256"] for one in statement["subject"]]
            predicate_type = str(statement["predicateType"])
        except (ValueError, KeyError, TypeError):
            continue
        statement_type_holds = kind == PAYLOAD and statement.get("_type") in STATEMENTS
        if signature_holds and statement_type_holds and subject.digest.removeprefix("sha256:") in subjects:
            predicates[predicate_type] = statement.get("predicate")
    return predicates


def _attachments(subject: Subject, end: str) -> Iterator[tuple[dict[str, str], bytes]]:
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
