"""Image tags of the form v<version>-<commit7>. The commit never becomes part of an image's bytes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

from ostiary_delivery.errors import Refusal

TAG: Final = re.compile(r"v(?P<version>[0-9][A-Za-z0-9.+_-]*)-(?P<commit>[0-9a-f]{7})")


def tag_of(repository: Path, version: str) -> str | None:
    """Return v<version>-<commit7>, or None without a commit or with uncommitted changes."""
    if _git(repository, "status", "--porcelain") != "":
        return None
    commit = _git(repository, "rev-parse", "--short=7", "HEAD")
    return f"v{version.replace('+', '_')}-{commit[:7]}" if commit else None


def commit_of(repository: Path) -> str | None:
    """Return the full name of the commit, or None."""
    return _git(repository, "rev-parse", "HEAD")


def parse_tag(tag: str) -> re.Match[str]:
    """Parse a tag into version and commit.

    Raises:
        Refusal: it is not v<version>-<commit7>; `latest` never is.
    """
    match = TAG.fullmatch(tag)
    if not match:
        problem = "latest identifies nothing" if tag == "latest" else f"{tag!r} does not say version and commit"
        raise Refusal(f"{problem}: a tag is v<version>-<commit, 7 digits>")
    return match


def _git(repository: Path, *words: str) -> str | None:
    try:
        process = subprocess.run(["git", "-C", str(repository), *words], capture_output=True, text=True, check=False)  # noqa: S603, S607 - git with fixed words
    except FileNotFoundError:
        return None
    return process.stdout.strip() if process.returncode == 0 else None
