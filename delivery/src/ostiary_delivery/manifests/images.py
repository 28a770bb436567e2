"""The images that objects run: found wherever a pod is described, and named by tag and digest."""

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
    """place:tag@digest; what is not said is empty."""

    place: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Take a reference apart; a port of a registry is no tag."""
        rest, _, digest = text.partition("@")
        front, slash, last = rest.rpartition("/")
        name, _, tag = last.partition(":")
        return cls(place=front + slash + name, tag=tag, digest=digest)

    @property
    def name(self) -> str:
        """The last part of the place, which is the container's name."""
        return self.place.rpartition("/")[2]

    def __str__(self) -> str:
        return self.place + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """A container of this repository: its declared version, and digest and tag of the image where it is built."""

    name: str
    version: str
    digest: str = ""
    tag: str = ""

    def reference(self, found: Reference, *, where: str) -> Reference:
        """Return what is to run instead of a reference found in a manifest.

        Raises:
            Refusal: nothing says which image, or which version it is; the message begins with `where`.
        """
        digest = self.digest or found.digest
        tag = found.tag if found.tag and digest == found.digest else self.tag or found.tag
        if not DIGEST.fullmatch(digest):
            raise Refusal(f"{where}: {self.name} has no digest: build it, or name its digest in the overlay")
        if digest != found.digest and not self.tag:
            raise Refusal(
                f"{where}: {self.name} was built anew as {digest[:19]}, and nothing says its tag: commit and build, or "
                "give --tag"
            )
        try:
            said = git.check_tag(tag)["version"]
        except Refusal as refusal:
            raise Refusal(f"{where}: {self.name}: {refusal}") from refusal
        if said != self.version.replace("+", "_"):
            raise Refusal(f"{where}: {self.name} is {said} here, and declared is {self.version}")
        return Reference(place=found.place, tag=tag, digest=digest)


def own(repository: Path, *, images: Path, tags: Mapping[str, str]) -> dict[str, Own]:
    """Return the containers of a repository by name; `images` is the folder of built ones, `tags` wins over theirs.

    Raises:
        Refusal: an image was built from another version than the declared one.
    """
    found = {}
    for name in definition.names(repository):
        version = definition.read(repository, name).version
        digest = tag = ""
        if (images / name / "index.json").is_file():
            layout = oci.open_layout(images / name)
            digest, tag = layout.image.digest, layout.tag or ""
            said = json.loads(layout.image.config)["config"]["Labels"].get(VERSION)
            if said != version:
                raise Refusal(f"{images / name} is version {said}, and declared is {version}: build it")
        found[name] = Own(name=name, version=version, digest=digest, tag=tags.get(name, tag))
    return found


def containers(value: object) -> Iterator[dict[str, Any]]:
    """Yield everything in an object that runs an image, as it stands there."""
    if isinstance(value, dict):
        for key, below in value.items():
            if key in LISTS and isinstance(below, list):
                yield from (one for one in below if isinstance(one, dict) and isinstance(one.get("image"), str))
            yield from containers(below)
    elif isinstance(value, list):
        for one in value:
            yield from containers(one)
