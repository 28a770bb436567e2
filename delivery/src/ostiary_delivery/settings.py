"""Settings of a machine: archives, cache, inputs, keyring. Nothing of them is in a lock.

All are environment variables; none is needed on Debian, where apt's configuration names an archive. Python packages
come from the index that pip is configured with.
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
    """The settings. Archives are URLs without a final slash, empty when not set."""

    cache: Path
    archive: str = ""
    security_archive: str = ""
    inputs: tuple[Path, ...] = ()
    keyring: Path = DEBIAN_KEYRING

    def archive_url(self, suite: str) -> str:
        """Return the URL of the archive that carries a suite.

        Raises:
            BadDefinition: no archive is configured.
        """
        security = suite.endswith("-security")
        url = self.security_archive if security else self.archive
        if not url:
            variable = SECURITY if security else ARCHIVE
            raise BadDefinition(f"no archive is known for {suite}: set {variable} to its URL")
        return url


def load(environ: Mapping[str, str], *, apt: Path = APT) -> Settings:
    """Read the settings from an environment. Missing archives come from apt's configuration."""
    home = Path(environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or "/tmp") / ".cache")  # noqa: S108 - no home
    apt_archives = archives_of(apt) if not (environ.get(ARCHIVE) and environ.get(SECURITY)) else ("", "")
    return Settings(
        cache=Path(environ.get(CACHE) or home / "ostiary-delivery"),
        archive=(environ.get(ARCHIVE) or apt_archives[0]).rstrip("/"),
        security_archive=(environ.get(SECURITY) or apt_archives[1]).rstrip("/"),
        inputs=tuple(Path(one) for one in environ.get(INPUTS, "").split(":") if one),
        keyring=Path(environ.get(KEYRING) or DEBIAN_KEYRING),
    )


def archives_of(apt: Path) -> tuple[str, str]:
    """Return the first Debian archive and the first security archive of apt's configuration, or empty texts."""
    archive = security = ""
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    for path in files:
        if path.suffix not in {".list", ".sources"} or not path.is_file():
            continue
        for match in _PLACE.finditer(path.read_text(encoding="utf-8", errors="replace")):
            if match[2]:
                security = security or match[1]
            else:
                archive = archive or match[1]
    return archive, security
