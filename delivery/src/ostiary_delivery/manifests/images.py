"""The images of Kubernetes objects: located in every pod description, and pinned by tag and digest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ostiary_delivery import definition, git, oci
from ostiary_delivery.errors import Refusal

LISTS: Final = ("initContainers", "containers", "ephemeralContainers")
DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
VERSION: Final = "org.opencontainers.image.version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An image reference, place:tag@digest. Missing parts are empty."""

    place: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parse a reference. The port of a registry is no tag."""
        rest, _, digest = text.partition("@")
        front, slash, last = rest.rpartition("/")
        name, _, tag = last.partition(":")
        return cls(place=front + slash + name, tag=tag, digest=digest)

    @property
    def name(self) -> str:
        """The name of the container: the last part of the place."""
        return self.place.rpartition("/")[2]

    def __str__(self) -> str:
        return self.place + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnImage:
    """A container of this repository: declared version, and digest and tag of the built image if there is one."""

    name: str
    version: str
    digest: str = ""
    tag: str = ""

    def reference(self, current: Reference, *, where: str) -> Reference:
        """Return the pinned reference that replaces the one of a manifest.

        Raises:
            Refusal: digest or version is unknown; the message begins with `where`.
        """
        digest = self.digest or current.digest
        tag = current.tag if current.tag and digest == current.digest else self.tag or current.tag
        if not DIGEST.fullmatch(digest):
            raise Refusal(f"{where}: {self.name} has no digest: build it, or name its digest in the overlay")
        if digest != current.digest and not self.tag:
            raise Refusal(
                f"{where}: {self.name} was built anew as {digest[:19]}, and nothing says its tag: commit and build, or "
                "give --tag"
            )
        try:
            version = git.parse_tag(tag)["version"]
        except Refusal as refusal:
            raise Refusal(f"{where}: {self.name}: {refusal}") from refusal
        if version != self.version.replace("+", "_"):
            raise Refusal(f"{where}: {self.name} is {version} here, and declared is {self.version}")
        return Reference(place=current.place, tag=tag, digest=digest)


def find_own_images(repository: Path, *, images: Path, tags: Mapping[str, str]) -> dict[str, OwnImage]:
    """Return the containers of a repository by name; `images` is the folder of built ones, `tags` override their tags.

    Raises:
        Refusal: an image was built from another version than the declared one.
    """
    images_by_name = {}
    for name in definition.names(repository):
        version = definition.read(repository, name).version
        digest = tag = ""
        if (images / name / "index.json").is_file():
            layout = oci.open_layout(images / name)
            digest, tag = layout.image.digest, layout.tag or ""
            label = json.loads(layout.image.config)["config"]["Labels"].get(VERSION)
            if label != version:
                raise Refusal(f"{images / name} is version {label}, and declared is {version}: build it")
        images_by_name[name] = OwnImage(name=name, version=version, digest=digest, tag=tags.get(name, tag))
    return images_by_name


def containers(value: object) -> Iterator[dict[str, Any]]:
    """Yield the container tables of an object, at any depth."""
    if isinstance(value, dict):
        for key, below in value.items():
            if key in LISTS and isinstance(below, list):
                yield from (one for one in below if isinstance(one, dict) and isinstance(one.get("image"), str))
            yield from containers(below)
    elif isinstance(value, list):
        for one in value:
            yield from containers(one)
