"""Images that an overlay runs and does not name by tag and digest, read from the files alone: `check` is quick."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ostiary_delivery.errors import BadDefinition
from ostiary_delivery.manifests.images import Reference, containers
from ostiary_delivery.manifests.overlay import FILE


def unpinned(root: Path, names: Sequence[str]) -> list[tuple[Path, str]]:
    """Return kustomizations below `root` that nobody builds upon, with each own container they run and do not name."""
    files = {path.parent.resolve(): _load(path)[0] for path in sorted(root.rglob(FILE))}
    used = {below for folder, table in files.items() for below in _below(folder, table)}
    found = []
    for folder, table in files.items():
        if folder in used or table.get("kind") == "Component":
            continue
        told = {Reference.parse(str(one.get("newName") or one.get("name"))).name for one in table.get("images") or ()}
        runs = sorted(_runs(folder, files) & set(names))
        found += [(folder / FILE, name) for name in runs if name not in told]
    return found


def _runs(folder: Path, files: dict[Path, dict[str, Any]]) -> set[str]:
    """Return the name of each image in the files of a kustomization and of those that it builds upon."""
    found: set[str] = set()
    waiting, seen = [folder], {folder}
    while waiting:
        here = waiting.pop()
        if here in files:
            below = set(_below(here, files[here])) - seen  # kustomize refuses a circle; here it ends
            seen |= below
            waiting += below
        elif here.is_file():
            found.update(Reference.parse(one["image"]).name for document in _load(here) for one in containers(document))
    return found


def _below(folder: Path, table: dict[str, Any]) -> list[Path]:
    named = [*(table.get("resources") or ()), *(table.get("components") or ()), *(table.get("bases") or ())]
    return [(folder / str(one)).resolve() for one in named]


def _load(path: Path) -> list[dict[str, Any]]:
    try:
        found = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise BadDefinition(f"{path}: {error}") from error
    return [one for one in found if isinstance(one, dict)] or [{}]
