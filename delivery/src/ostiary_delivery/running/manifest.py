"""Inspection of manifests: the image, tag and digest of each container, and its probes.

The input is a file of YAML documents, for example a rendered one, or a folder with an optional `kustomization.yaml`,
whose `images` are applied. Bases and components are not followed; render first.
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

LONG_RUNNING: Final = {"Deployment", "StatefulSet", "DaemonSet"}
ONE_SHOT: Final = {"Job"}  # needs no probes
PROBES: Final = {"live": "livenessProbe", "ready": "readinessProbe"}
Table = Mapping[str, Any]


def inspect(path: Path, *, versions: Mapping[str, str], images: Path) -> Iterator[Finding]:
    """Yield the findings of each container; `images` is the folder of built images, whose digests are expected.

    Raises:
        BadDefinition: the path holds no workload, or no YAML.
    """
    kustomized = _kustomized_images(path)
    has_workload = False
    for document in _documents(path):
        if document.get("kind") not in LONG_RUNNING | ONE_SHOT:
            continue
        workload = str(_dig(document, "metadata").get("name", "?"))
        for container in _dig(document, "spec", "template", "spec").get("containers") or ():
            has_workload = True
            yield from _image(workload, str(container.get("image", "")), kustomized, versions=versions, images=images)
            if document["kind"] in LONG_RUNNING:
                yield from (
                    Finding(
                        workload, check, key in container, f"{key} {'is there' if key in container else 'is missing'}"
                    )
                    for check, key in PROBES.items()
                )
    if not has_workload:
        raise BadDefinition(f"{path} runs nothing: it has no Deployment, StatefulSet, DaemonSet or Job")


def _image(
    workload: str, image: str, kustomized: Sequence[Table], *, versions: Mapping[str, str], images: Path
) -> Iterator[Finding]:
    place, tag, digest = _parts(image)
    for one in kustomized:
        if one.get("name") == place:
            place, tag = str(one.get("newName", place)), str(one.get("newTag", tag))
            digest = str(one.get("digest", digest))
    name = place.rpartition("/")[2]
    if tag == "latest" or not (tag or digest):
        yield Finding(
            workload, "version", passed=False, detail=f"{name} is {tag or 'without a tag'}, which identifies nothing"
        )
    else:
        parts = git.TAG.fullmatch(tag)
        yield same_version(
            workload, parts["version"] if parts else (tag or None), versions.get(name), declared_name=name
        )
    built = built_digest(images, name)
    if digest:
        yield same_digest(workload, digest, built, declared_name=name)
    else:
        yield Finding(workload, "digest", None if built is None else False, f"{name} has none")


def _parts(image: str) -> tuple[str, str, str]:
    """Return place, tag and digest of a reference. Missing parts are empty."""
    rest, _, digest = image.partition("@")
    front, slash, last = rest.rpartition("/")
    name, _, tag = last.partition(":")
    return front + slash + name, tag, digest


def _kustomized_images(path: Path) -> list[Table]:
    file = path / KUSTOMIZATION if path.is_dir() else None
    if file is None or not file.is_file():
        return []
    image_lists = [document.get("images") or [] for document in _load(file)]
    return [one for images in image_lists for one in images if isinstance(one, dict)]


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
        documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise BadDefinition(f"{file}: {error}") from error
    return [one for one in documents if isinstance(one, dict)]


def _dig(table: Table, *keys: str) -> Table:
    for key in keys:
        below = table.get(key)
        table = below if isinstance(below, dict) else {}
    return table
