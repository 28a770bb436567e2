"""Own images without tag and digest in an overlay. Read from the files without kustomize, so that `check` is quick."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ostiary_delivery.errors import BadDefinition
from ostiary_delivery.manifests.images import Reference, containers
from ostiary_delivery.manifests.overlay import FILE


def unpinned(root: Path, names: Sequence[str]) -> list[tuple[Path, str]]:
    """Return (kustomization, image) for each own image that a final kustomization below `root` does not pin."""
    files = {path.parent.resolve(): _load(path)[0] for path in sorted(root.rglob(FILE))}
    built_upon = {below for folder, table in files.items() for below in _below(folder, table)}
    unpinned_images = []
    for folder, table in files.items():
        if folder in built_upon or table.get("kind") == "Component":
            continue
        named_images = {
            Reference.parse(str(one.get("newName") or one.get("name"))).name for one in table.get("images") or ()
        }
        runs = sorted(_runs(folder, files) & set(names))
        unpinned_images += [(folder / FILE, name) for name in runs if name not in named_images]
    return unpinned_images


def _runs(folder: Path, files: dict[Path, dict[str, Any]]) -> set[str]:
    """Return the image names of a kustomization and of its bases and components."""
    images: set[str] = set()
    waiting, visited = [folder], {folder}
    while waiting:
        here = waiting.pop()
        if here in files:
            below = set(_below(here, files[here])) - visited  # kustomize refuses a circle; here it ends
            visited |= below
            waiting += below
        elif here.is_file():
            images.update(
                Reference.parse(one["image"]).name for document in _load(here) for one in containers(document)
            )
    return images


def _below(folder: Path, table: dict[str, Any]) -> list[Path]:
    paths = [*(table.get("resources") or ()), *(table.get("components") or ()), *(table.get("bases") or ())]
    return [(folder / str(one)).resolve() for one in paths]


def _load(path: Path) -> list[dict[str, Any]]:
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise BadDefinition(f"{path}: {error}") from error
    return [one for one in documents if isinstance(one, dict)] or [{}]
