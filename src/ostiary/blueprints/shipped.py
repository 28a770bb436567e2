"""The blueprints of the program itself: the default flows, stages, mappings, brand and groups.

They keep authentik's paths and names, because blueprints of others name them; their texts are our own. They are
applied on the first start, and again when a new version brings another text; people's changes stay:
nearly all entries have the state `created`, and a deleted object is not created again (`apply.Order.remembered`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDERS: Final = ("system", "default")
"""In the order they are applied: mappings first."""
_ROOT: Final = Path(__file__).with_name("defaults")


def shipped_files() -> dict[str, bytes]:
    """Return the shipped files by path, such as "default/flow-default-authentication-flow.yaml"."""
    files: dict[str, bytes] = {}
    for folder in FOLDERS:
        entries = sorted(_ROOT.joinpath(folder).iterdir(), key=lambda item: item.name)
        for item in entries:
            if item.name.endswith(".yaml"):
                files[f"{folder}/{item.name}"] = item.read_bytes()
    return files


def shipped_names() -> dict[str, str]:
    """Return the path of every shipped blueprint by its path and by its name.

    The name is the quoted text of the third line, so that no YAML is read. A test keeps it there.
    """
    names: dict[str, str] = {}
    for path, data in shipped_files().items():
        names[path] = path
        names[shipped_name(data)] = path
    return names


def shipped_name(data: bytes) -> str:
    """Return metadata.name of a shipped file."""
    for line in data.decode().splitlines():
        key, _, value = line.partition(":")
        if key == "  name":
            return value.strip().strip('"')
    message = "a shipped blueprint has no name"
    raise ValueError(message)
