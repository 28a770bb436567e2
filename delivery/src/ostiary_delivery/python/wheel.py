"""The inside of a wheel (PyPA "Binary distribution format"): metadata, and files as they are installed."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from typing import Final

from packaging.utils import canonicalize_name

from ostiary_delivery.errors import Refusal, Tampered
from ostiary_delivery.tree import Entry, clean, file

UNSIGNED: Final = ("/RECORD", "/RECORD.jws", "/RECORD.p7s")
INSTALLED: Final = frozenset({"purelib", "platlib"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A wheel: metadata, files relative to site-packages, and its scripts by their names."""

    name: str
    version: str
    requires: tuple[str, ...]
    license: str
    entries: tuple[Entry, ...]
    scripts: Mapping[str, bytes]


def read(data: bytes, *, name: str) -> Wheel:
    """Read a wheel; every file is verified against RECORD.

    Headers are skipped. Scripts are apart: an image declares which of them it wants.

    Raises:
        Refusal: it is not a wheel.
        Tampered: a file differs from its hash in RECORD; the message names wheel and file.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except zipfile.BadZipFile as error:
        raise Refusal(f"{name} is not a wheel") from error
    with archive:
        folder = _metadata_folder(archive, name)
        scripts: dict[str, bytes] = {}
        message = HeaderParser().parsestr(archive.read(f"{folder}/METADATA").decode())
        return Wheel(
            name=canonicalize_name(message["Name"]),
            version=message["Version"],
            requires=tuple(message.get_all("Requires-Dist") or ()),
            license=message.get("License-Expression") or "",
            entries=tuple(_entries(archive, folder, name, scripts)),
            scripts=scripts,
        )


def _metadata_folder(archive: zipfile.ZipFile, name: str) -> str:
    folders = sorted(
        {one.partition("/")[0] for one in archive.namelist() if one.partition("/")[0].endswith(".dist-info")}
    )
    if len(folders) != 1 or f"{folders[0]}/METADATA" not in archive.namelist():
        raise Refusal(f"{name} is not a wheel: it has no metadata")
    return folders[0]


def _entries(archive: zipfile.ZipFile, folder: str, name: str, scripts: dict[str, bytes]) -> Iterator[Entry]:
    hashes = {row[0]: row[1] for row in csv.reader(io.StringIO(archive.read(f"{folder}/RECORD").decode())) if row}
    data_folder = folder.removesuffix(".dist-info") + ".data"
    for member in archive.infolist():
        if member.is_dir():
            continue
        content = archive.read(member)
        if not member.filename.endswith(UNSIGNED):
            _compare(hashes.get(member.filename), content, f"{name}: {member.filename}")
        path = member.filename
        if path.startswith(f"{data_folder}/"):
            scheme, _, path = path.removeprefix(f"{data_folder}/").partition("/")
            if scheme == "scripts":
                scripts[path] = content
            if scheme not in INSTALLED:
                continue
        yield file(clean(path, origin=name), content, mode=0o644)
    yield file(f"{folder}/INSTALLER", b"ostiary-delivery\n")


def _compare(expected: str | None, content: bytes, name: str) -> None:
    algorithm, _, value = (expected or "").partition("=")
    if algorithm not in {"sha256", "sha384", "sha512"}:
        raise Tampered(f"{name} is not listed in RECORD")
    actual = base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest()).rstrip(b"=").decode()
    if actual != value:
        raise Tampered(f"{name} is not the file that RECORD speaks of")
