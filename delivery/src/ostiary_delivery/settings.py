"""Where things come from and where they are kept: everything a machine may differ in, and nothing that a lock holds.

All are environment variables; none is needed on a Debian machine, whose own apt configuration names an archive. Python
packages come from wherever pip is set up to find them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ostiary_delivery.errors import BadDefinition

ARCHIVE: Final = "DELIVERY_ARCHIVE"
SECURITY: Final = "DELIVERY_SECURITY_ARCHIVE"
CACHE: Final = "DELIVERY_CACHE"
INPUTS: Final = "DELIVERY_INPUTS"
KEYRING: Final = "DELIVERY_KEYRING"
DEBIAN_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
APT: Final = Path("/etc/apt")
_PLACE: Final = re.compile(
    r"^(?:URIs:|deb)\s+(?:\[[^]]*\]\s+)?((?:https?|file|copy)\S*/debian(-security)?)/?(?:\s|$)", re.MULTILINE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Places of this machine. Archives are URLs without a slash at the end; an empty one is not set."""

    cache: Path
    archive: str = ""
    security_archive: str = ""
    inputs: tuple[Path, ...] = ()
    keyring: Path = DEBIAN_KEYRING

    def place(self, suite: str) -> str:
        """Return the URL of the archive that carries a suite.

        Raises:
            BadDefinition: no archive is known on this machine.
        """
        security = suite.endswith("-security")
        found = self.security_archive if security else self.archive
        if not found:
            variable = SECURITY if security else ARCHIVE
            raise BadDefinition(f"no archive is known for {suite}: set {variable} to its URL")
        return found


def load(environ: Mapping[str, str], *, apt: Path = APT) -> Settings:
    """Return the settings of an environment; archives that it does not name are taken from apt's configuration."""
    home = Path(environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or "/tmp") / ".cache")  # noqa: S108 - no home
    known = archives_of(apt) if not (environ.get(ARCHIVE) and environ.get(SECURITY)) else ("", "")
    return Settings(
        cache=Path(environ.get(CACHE) or home / "ostiary-delivery"),
        archive=(environ.get(ARCHIVE) or known[0]).rstrip("/"),
        security_archive=(environ.get(SECURITY) or known[1]).rstrip("/"),
        inputs=tuple(Path(one) for one in environ.get(INPUTS, "").split(":") if one),
        keyring=Path(environ.get(KEYRING) or DEBIAN_KEYRING),
    )


def archives_of(apt: Path) -> tuple[str, str]:
    """Return the first Debian archive and the first security archive that apt is set up with, or empty texts."""
    plain = security = ""
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    for path in files:
        if path.suffix not in {".list", ".sources"} or not path.is_file():
            continue
        for found in _PLACE.finditer(path.read_text(encoding="utf-8", errors="replace")):
            if found[2]:
                security = security or found[1]
            else:
                plain = plain or found[1]
    return plain, security
