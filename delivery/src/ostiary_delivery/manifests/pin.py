"""`ostiary-delivery pin`: writes tag and digest of built images into an overlay, for deployment from git.

Only the two values are replaced in place; the rest of the file stays unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from ostiary_delivery.errors import BadDefinition
from ostiary_delivery.manifests.images import OwnImage, Reference
from ostiary_delivery.manifests.overlay import FILE


def pin(folder: Path, own_images: Mapping[str, OwnImage]) -> list[str]:
    """Write an overlay's kustomization and return one line for each image that changed.

    Raises:
        BadDefinition: an entry does not have both newTag and digest.
        Refusal: the digest or tag of an image is unknown.
    """
    path = folder / FILE
    text = path.read_text(encoding="utf-8")
    edits: list[tuple[yaml.Node, str]] = []
    changes = []
    for entry in _entries(path, text):
        old = Reference(
            place=_value(entry, "newName") or _value(entry, "name"),
            tag=_value(entry, "newTag"),
            digest=_value(entry, "digest"),
        )
        if old.name not in own_images or not own_images[old.name].digest:
            continue
        where = f"{path}:{entry['name'].start_mark.line + 1}"
        if "newTag" not in entry or "digest" not in entry:
            raise BadDefinition(f"{where}: {old.name} needs both newTag and digest")
        new = own_images[old.name].reference(old, where=where)
        if new != old:
            edits += [(entry["newTag"], new.tag), (entry["digest"], new.digest)]
            changes.append(f"{path}: {new.name} {new.tag}@{new.digest}")
    for node, value in sorted(edits, key=lambda one: -one[0].start_mark.index):
        text = text[: node.start_mark.index] + value + text[node.end_mark.index :]
    if edits:
        path.write_text(text, encoding="utf-8")
    return changes


def _entries(path: Path, text: str) -> list[dict[str, yaml.Node]]:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise BadDefinition(f"{path}: {error}") from error
    listed = _keys(root).get("images")
    tables = [_keys(one) for one in listed.value] if isinstance(listed, yaml.SequenceNode) else []
    return [one for one in tables if "name" in one]


def _keys(node: yaml.Node | None) -> dict[str, yaml.Node]:
    return {key.value: value for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}


def _value(entry: Mapping[str, yaml.Node], key: str) -> str:
    node = entry.get(key)
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""
