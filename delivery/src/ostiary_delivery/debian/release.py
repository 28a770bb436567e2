"""A suite's signed index: InRelease is checked against the keyring, the list of packages against InRelease."""

from __future__ import annotations

import hashlib
import lzma
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

from ostiary_delivery.cache import Absent, Artifact, Cache, get
from ostiary_delivery.debian.control import paragraphs
from ostiary_delivery.errors import BadDefinition, Refusal, Tampered

LIMIT: Final = 8 * 1024 * 1024
_ENTRY: Final = re.compile(r"^\s*([0-9a-f]{64})\s+(\d+)\s+(\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A suite as its signers published it: date in seconds since 1970, files by their path with hash and size."""

    suite: str
    codename: str
    version: str
    date: int
    sha256: str
    by_hash: bool
    files: Mapping[str, tuple[str, int]]


def fetch(place: str, suite: str, *, keyring: Path, now: int) -> Release:
    """Download and verify the release of a suite; `now` is in seconds since 1970.

    Raises:
        Tampered: no key of the keyring verifies the signature.
        Refusal: the release has expired (Valid-Until).
        Unreachable: the archive does not answer.
    """
    url = f"{place}/dists/{suite}/InRelease"
    try:
        signed = get(url, limit=LIMIT)
    except Absent as error:
        raise Refusal(f"the archive has no suite {suite}: {url}") from error
    fields = next(paragraphs(verify(signed, keyring=keyring, name=url)), {})
    until = fields.get("Valid-Until")
    if until and parsedate_to_datetime(until).timestamp() < now:
        raise Refusal(f"{url} was valid until {until}: the archive is an old copy")
    return Release(
        suite=suite,
        codename=fields.get("Codename", suite),
        version=fields.get("Version", ""),
        date=int(parsedate_to_datetime(fields["Date"]).timestamp()),
        sha256=hashlib.sha256(signed).hexdigest(),
        by_hash=fields.get("Acquire-By-Hash") == "yes",
        files={name: (sha256, int(size)) for sha256, size, name in _ENTRY.findall(fields.get("SHA256", ""))},
    )


def verify(signed: bytes, *, keyring: Path, name: str) -> str:
    """Return the signed text, without anything around it.

    Raises:
        Tampered: no key of the keyring verifies the signature.
        BadDefinition: there is no keyring, or no gpgv.
    """
    if not keyring.is_file():
        raise BadDefinition(f"the keyring {keyring} is missing: install debian-archive-keyring, or set another")
    with tempfile.TemporaryDirectory() as folder:
        signed_file, text_file = Path(folder, "InRelease"), Path(folder, "text")
        signed_file.write_bytes(signed)
        command = ["gpgv", "--quiet", "--keyring", str(keyring.resolve()), "--output", str(text_file), str(signed_file)]
        try:
            process = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - fixed words
        except FileNotFoundError as error:
            raise BadDefinition("gpgv is missing: install it") from error
        if process.returncode or not text_file.is_file():
            errors = process.stderr.decode(errors="replace").strip().splitlines()
            raise Tampered(f"{name} is not signed by a key of {keyring}: {errors[-1] if errors else 'no signature'}")
        return text_file.read_text(encoding="utf-8")


def packages(release: Release, component: str, *, architecture: str, place: str, cache: Cache) -> str:
    """Return the list of packages of one component and architecture, checked against the release.

    Raises:
        Refusal: the release does not list such a file.
        Tampered, Unreachable: the download failed.
    """
    for name in (f"{component}/binary-{architecture}/Packages{end}" for end in (".xz", "")):
        if name not in release.files:
            continue
        sha256, size = release.files[name]
        path = f"{name.rpartition('/')[0]}/by-hash/SHA256/{sha256}" if release.by_hash else name
        artifact = Artifact(name=f"{release.suite}/{name}", sha256=sha256, size=size)
        cache.fetch(f"{place}/dists/{release.suite}/{path}", artifact)
        data = cache.read(artifact)
        return (lzma.decompress(data) if name.endswith(".xz") else data).decode()
    raise Refusal(f"suite {release.suite} lists no packages of {component} for {architecture}")
