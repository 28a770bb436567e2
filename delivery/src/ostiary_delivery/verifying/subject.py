"""The image under verification, in a layout folder or a registry. Every blob is hashed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ostiary_delivery import oci
from ostiary_delivery.errors import BadDefinition, Refusal
from ostiary_delivery.layer import digest_of
from ostiary_delivery.manifests.images import Reference
from ostiary_delivery.registry import Place, Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An image: its manifest, a function that reads a blob, and its registry, where signatures lie."""

    name: str
    where: str
    tag: str
    manifest: bytes
    blob: Callable[[str], bytes]
    registry: Registry | None = None

    @property
    def digest(self) -> str:
        """Digest of the manifest."""
        return digest_of(self.manifest)

    @property
    def place(self) -> str:
        """The registry's host and path, without tag and digest."""
        return Reference.parse(self.where).place

    def table(self) -> Mapping[str, Any]:
        """Return the manifest's contents.

        Raises:
            Refusal: it is no manifest of a single image.
        """
        manifest = json.loads(self.manifest)
        if not isinstance(manifest, dict) or "layers" not in manifest or "config" not in manifest:
            raise Refusal(f"{self.where} is not one image")
        return manifest


def from_folder(folder: Path, name: str) -> Subject:
    """Return the image of a layout folder. Raises BadDefinition, Tampered."""
    layout = oci.open_layout(folder)
    return Subject(name=name, where=str(folder), tag=layout.tag or "", manifest=layout.image.manifest, blob=layout.blob)


def from_registry(text: str) -> Subject:
    """Return the image of a reference host[:port]/path:tag, or with @digest.

    Raises:
        BadDefinition: it names neither tag nor digest, or the tag latest.
        Refusal: the registry has no such image.
    """
    reference = Reference.parse(text)
    if reference.tag == "latest" or not (reference.tag or reference.digest):
        raise BadDefinition(f"{text}: which image is that? Name its tag or its digest")
    registry = Registry(Place.parse(reference.place))
    manifest = registry.manifest(reference.digest or reference.tag)
    if manifest is None:
        raise Refusal(f"the registry has no {text}")
    if reference.digest and reference.tag:
        current = registry.digest(reference.tag)
        if current != reference.digest:
            raise Refusal(f"{reference.tag} names {current or 'nothing'} there, and not {reference.digest}")
    return Subject(
        name=reference.name,
        where=text,
        tag=reference.tag,
        manifest=manifest,
        blob=registry.blob,
        registry=registry,
    )
