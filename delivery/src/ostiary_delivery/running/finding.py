"""What was looked at: a service, one thing about it, and whether it is as declared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from ostiary_delivery import oci
from ostiary_delivery.check import KUSTOMIZATION, RENDERED
from ostiary_delivery.definition import names, read
from ostiary_delivery.services import FILE
from ostiary_delivery.services import read as listed

SHORT: Final = 19  # so much of a digest is shown: its algorithm and 12 digits


@dataclass(frozen=True, slots=True)
class Finding:
    """`good` is None for what cannot be seen from here, which is no failure."""

    service: str
    what: str
    good: bool | None
    told: str


def declared(repository: Path) -> dict[str, str]:
    """Return the declared versions by name, without a leading v; containers' own files win over the list."""
    found = {one.name: one.version.removeprefix("v") for one in listed(repository / FILE) if one.version}
    return found | {name: read(repository, name).version for name in names(repository)}


def same_version(service: str, have: str | None, wanted: str | None, *, of: str = "") -> Finding:
    """Compare a version that was seen with the declared one."""
    if have is None:
        return Finding(service, "version", None, f"cannot be seen; declared is {wanted or 'nothing'}")
    if wanted is None:
        return Finding(service, "version", None, f"{have}; nothing is declared for {of or service}")
    return Finding(service, "version", have.removeprefix("v") == wanted, f"{have}; declared is {wanted}")


def same_digest(service: str, have: str | None, wanted: str | None, *, of: str = "") -> Finding:
    """Compare the digest of what runs with the declared one; each may be unknown."""
    told = wanted[:SHORT] if wanted else f"nothing{f' for {of}' if of else ''}"
    good = have == wanted if have and wanted else None
    return Finding(service, "digest", good, f"{have[:SHORT] if have else 'cannot be seen'}; declared is {told}")


def built_digest(images: Path, name: str) -> str | None:
    """Return the digest of an image in the folder of built images; None when it is not there."""
    folder = images / name
    return oci.open_layout(folder).image.digest if name and (folder / "index.json").is_file() else None


def declared_digest(repository: Path, images: Path, name: str) -> str | None:
    """Return the digest that an image ought to have: that of the one built here, else the one all manifests pin."""
    built = built_digest(images, name)
    if built:
        return built
    pinned = {
        str(one["digest"])
        for path in sorted((repository / RENDERED).rglob(KUSTOMIZATION))
        for one in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("images") or ()
        if str(one.get("newName", one.get("name", ""))).rpartition("/")[2] == name and one.get("digest")
    }
    return pinned.pop() if len(pinned) == 1 else None
