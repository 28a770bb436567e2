"""`ostiary-delivery render`: the objects of an overlay, with each image pinned by tag and digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from ostiary_delivery.errors import BadDefinition, Refusal
from ostiary_delivery.manifests.images import DIGEST, OwnImage, Reference, containers
from ostiary_delivery.manifests.overlay import Object

MARK: Final = "# Rendered by ostiary-delivery; changes belong into the overlay.\n"


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as block scalars, for people."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def with_images(objects: Sequence[Object], own_images: Mapping[str, OwnImage]) -> list[str]:
    """Set tag and digest of built images in objects; return the references of all images.

    Raises:
        Refusal: an image has no digest, the tag latest, or another version than the declared one.
    """
    references: dict[str, None] = {}
    for one in objects:
        where = f"{one.get('kind')} {(one.get('metadata') or {}).get('name')}"
        for container in containers(one):
            reference = Reference.parse(container["image"])
            if reference.name in own_images:
                reference = own_images[reference.name].reference(reference, where=where)
            elif reference.tag == "latest" or not DIGEST.fullmatch(reference.digest):
                raise Refusal(f"{where}: {reference} is not named by a digest")
            container["image"] = str(reference)
            references[str(reference)] = None
    return list(references)


def as_text(objects: Sequence[Object]) -> str:
    """Return objects as one YAML text."""
    return "---\n".join(_yaml(one) for one in objects)


def save(folder: Path, objects: Sequence[Object]) -> list[Path]:
    """Write each object to a file of its own; files of an earlier rendering are removed.

    Raises:
        BadDefinition: the folder holds other YAML files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = sorted(folder.glob("*.yaml"))
    for path in before:
        if not path.read_text(encoding="utf-8").startswith(MARK):
            raise BadDefinition(f"{path} was not rendered by this command: give a folder of its own")
    for path in before:
        path.unlink()
    written = []
    for one in objects:
        path = folder / f"{one['kind'].lower()}-{one['metadata']['name']}.yaml"
        path.write_text(MARK + _yaml(one), encoding="utf-8")
        written.append(path)
    return written


def _yaml(value: Any) -> str:
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000))
