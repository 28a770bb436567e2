"""What was looked at: a service, one thing about it, and whether it is as declared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ostiary_delivery.definition import names, read
from ostiary_delivery.services import FILE
from ostiary_delivery.services import read as listed


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
