"""`ostiary-delivery sign`: the signature and the attestations of a pushed image, stored beside it in the registry."""

from __future__ import annotations

import json

from ostiary_delivery import lockfile, provenance, sbom, sign
from ostiary_delivery.definition import Container
from ostiary_delivery.errors import Refusal
from ostiary_delivery.oci import Layout
from ostiary_delivery.registry import Place, Registry


def attest(container: Container, *, layout: Layout, place: str, signer: sign.Signer, commit: str | None) -> None:
    """Sign a pushed image, and attest its bill of materials and its provenance.

    Raises:
        Refusal: the image is not there, or its lock is not the present one.
    """
    image = layout.image
    registry = Registry(Place.parse(place))
    if registry.digest(image.digest) != image.digest:
        raise Refusal(f"{place} does not have {image.digest}: push it first")
    lock = lockfile.load(container.folder)
    bill = json.loads(sbom.bill(container, lock=lock, layout=layout))
    origin = provenance.provenance(container, lock=lock, commit=commit)
    statements = [
        provenance.statement(image, name=place, kind=provenance.CYCLONEDX, predicate=bill),
        provenance.statement(image, name=place, kind=provenance.SLSA, predicate=origin),
    ]
    for attachment in (
        sign.signature(image.digest, place=place, signer=signer),
        sign.attestations(image.digest, statements, signer=signer),
    ):
        registry.put(attachment.blobs, attachment.manifest, attachment.tag)
