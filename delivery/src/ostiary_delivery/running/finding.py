"""Findings of `services-check`: a service, a check, and its result."""

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

DIGEST_LETTERS: Final = 19  # shown of a digest: algorithm and 12 digits


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. `passed` is None when it cannot be determined, which is no failure."""

    service: str
    check: str
    passed: bool | None
    detail: str


def declared(repository: Path) -> dict[str, str]:
    """Return the declared versions by name, without a leading v. container.toml wins over the list of services."""
    versions = {one.name: one.version.removeprefix("v") for one in listed(repository / FILE) if one.version}
    return versions | {name: read(repository, name).version for name in names(repository)}


def same_version(service: str, actual: str | None, expected: str | None, *, declared_name: str = "") -> Finding:
    """Compare the version of a service with the declared one; each may be unknown."""
    if actual is None:
        return Finding(service, "version", None, f"cannot be seen; declared is {expected or 'nothing'}")
    if expected is None:
        return Finding(service, "version", None, f"{actual}; nothing is declared for {declared_name or service}")
    return Finding(service, "version", actual.removeprefix("v") == expected, f"{actual}; declared is {expected}")


def same_digest(service: str, actual: str | None, expected: str | None, *, declared_name: str = "") -> Finding:
    """Compare the digest of a running image with the declared one; each may be unknown."""
    shown = expected[:DIGEST_LETTERS] if expected else f"nothing{f' for {declared_name}' if declared_name else ''}"
    passed = actual == expected if actual and expected else None
    return Finding(
        service, "digest", passed, f"{actual[:DIGEST_LETTERS] if actual else 'cannot be seen'}; declared is {shown}"
    )


def built_digest(images: Path, name: str) -> str | None:
    """Return the digest of an image in the folder of built images, or None."""
    folder = images / name
    return oci.open_layout(folder).image.digest if name and (folder / "index.json").is_file() else None


def declared_digest(repository: Path, images: Path, name: str) -> str | None:
    """Return the expected digest of an image: of the built one, otherwise the one that all manifests pin."""
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
