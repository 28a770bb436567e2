"""`ostiary-delivery doctor`: what this machine can do, and what nobody tried here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Final

from ostiary_delivery import compress
from ostiary_delivery.errors import BadDefinition
from ostiary_delivery.settings import Settings

PROGRAMS: Final = (
    ("gpgv", "lock: verifies archives"),
    ("git", "build, push: names the commit in a tag"),
    ("bwrap", "make test-image: runs what an image holds"),
    ("runc", "make test-image: runs images as root"),
    ("podman", "make test-image: runs images as an ordinary user, with newuidmap"),
    ("newuidmap", "make test-image: subordinate ids for podman"),
    ("docker-registry", "make test-image: a registry"),
    ("skopeo", "make test-image: another client"),
    ("mmdebstrap", "make test-image: cosign and skopeo of trixie"),
    ("cosign", "verifies signatures; not needed to make them"),
    ("kubectl", "renders and applies manifests; never run by us"),
)


def rows(settings: Settings) -> Iterator[tuple[str, bool, str]]:
    """Yield what was looked at, whether it is there, and what it is for or where it was found."""
    for name, purpose in PROGRAMS:
        yield name, shutil.which(name) is not None, purpose
    yield "keyring", settings.keyring.is_file(), str(settings.keyring)
    for suite in ("package", "x-security"):
        try:
            yield f"{suite.removeprefix('x-')} archive", True, settings.place(suite)
        except BadDefinition as error:
            yield f"{suite.removeprefix('x-')} archive", False, str(error)
    yield "compressor", True, f"{compress.NAME}, probe {compress.probe(compress.LEVEL)[:12]}"
    yield "cache", settings.cache.is_dir(), str(settings.cache)
