"""Looks at manifests: which image with which tag and digest each container would run, and whether it has probes.

Takes a file with one or more documents, for example a rendered one, or a folder: its files, with the images that a
`kustomization.yaml` beside them puts in place. Bases and components are not followed; render first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from ostiary_delivery import git
from ostiary_delivery.check import KUSTOMIZATION
from ostiary_delivery.errors import BadDefinition
from ostiary_delivery.running.finding import Finding, built_digest, same_digest, same_version

RUNNING: Final = {"Deployment", "StatefulSet", "DaemonSet"}
ENDING: Final = {"Job"}  # asked for no probes
PROBES: Final = {"live": "livenessProbe", "ready": "readinessProbe"}
Table = Mapping[str, Any]


def look(path: Path, *, wanted: Mapping[str, str], images: Path) -> Iterator[Finding]:
    """Yield what is to be said of each container; `images` is the folder of built images, whose digests count.

    Raises:
        BadDefinition: the path holds no workload, or no YAML.
    """
    replaced = _replaced(path)
    seen = False
    for document in _documents(path):
        if document.get("kind") not in RUNNING | ENDING:
            continue
        workload = str(_dig(document, "metadata").get("name", "?"))
        for container in _dig(document, "spec", "template", "spec").get("containers") or ():
            seen = True
            yield from _image(workload, str(container.get("image", "")), replaced, wanted=wanted, images=images)
            if document["kind"] in RUNNING:
                yield from (
                    Finding(
                        workload, what, key in container, f"{key} {'is there' if key in container else 'is missing'}"
                    )
                    for what, key in PROBES.items()
                )
    if not seen:
        raise BadDefinition(f"{path} runs nothing: it has no Deployment, StatefulSet, DaemonSet or Job")


def _image(
    workload: str, image: str, replaced: Sequence[Table], *, wanted: Mapping[str, str], images: Path
) -> Iterator[Finding]:
    place, tag, digest = _parts(image)
    for one in replaced:
        if one.get("name") == place:
            place, tag = str(one.get("newName", place)), str(one.get("newTag", tag))
            digest = str(one.get("digest", digest))
    name = place.rpartition("/")[2]
    if tag == "latest" or not (tag or digest):
        yield Finding(workload, "version", good=False, told=f"{name} is {tag or 'without a tag'}, which says nothing")
    else:
        parts = git.TAG.fullmatch(tag)
        yield same_version(workload, parts["version"] if parts else (tag or None), wanted.get(name), of=name)
    built = built_digest(images, name)
    if digest:
        yield same_digest(workload, digest, built, of=name)
    else:
        yield Finding(workload, "digest", None if built is None else False, f"{name} has none")


def _parts(image: str) -> tuple[str, str, str]:
    """Return place, tag and digest of a reference; what it does not say is empty."""
    rest, _, digest = image.partition("@")
    front, slash, last = rest.rpartition("/")
    name, _, tag = last.partition(":")
    return front + slash + name, tag, digest


def _replaced(path: Path) -> list[Table]:
    file = path / KUSTOMIZATION if path.is_dir() else None
    if file is None or not file.is_file():
        return []
    found = [document.get("images") or [] for document in _load(file)]
    return [one for images in found for one in images if isinstance(one, dict)]


def _documents(path: Path) -> Iterator[Table]:
    files = [one for one in sorted(path.glob("*.y*ml")) if one.name != KUSTOMIZATION] if path.is_dir() else [path]
    for file in files:
        for document in _load(file):
            if document.get("kind") == "List":
                yield from (one for one in document.get("items") or () if isinstance(one, dict))
            else:
                yield document


def _load(file: Path) -> list[Table]:
    try:
        found = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise BadDefinition(f"{file}: {error}") from error
    return [one for one in found if isinstance(one, dict)]


def _dig(table: Table, *keys: str) -> Table:
    for key in keys:
        below = table.get(key)
        table = below if isinstance(below, dict) else {}
    return table
