"""The contents of a layer, read from its bytes alone: packages by their metadata, and all paths."""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import PurePosixPath
from typing import Final

from packaging.utils import canonicalize_name

from ostiary_delivery.audit import LayerFile
from ostiary_delivery.debian.control import paragraphs
from ostiary_delivery.errors import Tampered

STATUS: Final = "var/lib/dpkg/status.d"
LIMIT: Final = 2 * 1024**3
KINDS: Final = {tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "symlink", tarfile.REGTYPE: "file"}


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """A package in a layer: deb or wheel, name, version, and licence where its metadata has one.

    `source` is the Debian source package it was built from, where that has another name or version (deb-control(5)).
    """

    kind: str
    name: str
    version: str
    license: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A layer's packages and files."""

    packages: tuple[InstalledPackage, ...]
    files: tuple[LayerFile, ...]


def read(packed: bytes, *, name: str) -> Contents:
    """Read a layer; `name` is for error messages.

    Raises:
        Tampered: it is not a gzip file with a tar archive.
    """
    try:
        data = zlib.decompressobj(wbits=31).decompress(packed, LIMIT)
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            files: list[LayerFile] = []
            packages: list[InstalledPackage] = []
            for member in archive:
                files.append(LayerFile(member.name, KINDS.get(member.type, "other"), member.mode))
                packages += _package(archive, member)
    except (zlib.error, tarfile.TarError) as error:
        raise Tampered(f"{name} is not a layer: {error}") from error
    return Contents(packages=tuple(packages), files=tuple(files))


def _package(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[InstalledPackage]:
    path = PurePosixPath(member.name)
    if not member.isreg():
        return
    if str(path.parent) == STATUS:
        fields = next(paragraphs(_text(archive, member)), {})
        yield InstalledPackage(
            "deb", fields.get("Package", ""), fields.get("Version", ""), source=fields.get("Source", "")
        )
    elif path.name == "METADATA" and path.parent.suffix == ".dist-info":
        message = HeaderParser().parsestr(_text(archive, member))
        license_text = message.get("License-Expression") or ""
        yield InstalledPackage(
            "wheel", canonicalize_name(message["Name"] or ""), message["Version"] or "", license_text
        )


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = archive.extractfile(member)
    return file.read().decode(errors="replace") if file else ""
