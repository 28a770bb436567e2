"""The inside of a .deb: an `ar` file with a control and a data archive (deb(5)). Nothing in it is run."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ostiary_delivery.debian.control import Paragraph, paragraphs
from ostiary_delivery.errors import Refusal
from ostiary_delivery.tree import Entry, clean

MAGIC: Final = b"!<arch>\n"
HEADER: Final = 60
INSTALL_SCRIPTS: Final = frozenset({"preinst", "postinst"})
MERGED: Final = frozenset({"bin", "sbin", "lib", "lib32", "lib64", "libx32"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A .deb: control fields, the names of its installation scripts, and its files."""

    control: Paragraph
    text: str
    scripts: tuple[str, ...]
    entries: tuple[Entry, ...]


def read(data: bytes, *, name: str) -> Package:
    """Read a .deb; `name` is for error messages.

    Raises:
        Refusal: it is not a .deb, or holds what an image must not have (devices, paths that lead out).
    """
    members = dict(_members(data, name))
    control = next((body for key, body in members.items() if key.startswith("control.tar")), None)
    files = next((body for key, body in members.items() if key.startswith("data.tar")), None)
    if control is None or files is None:
        raise Refusal(f"{name} is not a Debian package")
    scripts, text = [], ""
    with _open(control, name) as archive:
        for member in archive:
            short = member.name.removeprefix("./")
            if short == "control":
                text = _content(archive, member).decode()
            elif short in INSTALL_SCRIPTS:
                scripts.append(short)
    with _open(files, name) as archive:
        entries = tuple(_entries(archive, name))
    return Package(control=next(paragraphs(text), {}), text=text, scripts=tuple(sorted(scripts)), entries=entries)


def _members(data: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    if not data.startswith(MAGIC):
        raise Refusal(f"{name} is not a Debian package")
    at = len(MAGIC)
    while at + HEADER <= len(data):
        header = data[at : at + HEADER]
        size = int(header[48:58])
        at += HEADER
        yield header[:16].decode().strip().rstrip("/"), data[at : at + size]
        at += size + size % 2


def _open(data: bytes, name: str) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=io.BytesIO(data))
    except tarfile.TarError as error:
        raise Refusal(f"{name}: its archives use an unsupported compression") from error


def _entries(archive: tarfile.TarFile, name: str) -> Iterator[Entry]:
    for member in archive:
        path = merged(clean(member.name, origin=name))
        if not path:
            continue
        if member.isdir():
            yield Entry(path=path, kind="directory", mode=0o755)
        elif member.issym():
            yield Entry(path=path, kind="symlink", mode=0o777, target=member.linkname)
        elif member.isfile() or member.islnk():  # a hard link becomes a file of its own
            mode = (0o755 if member.mode & 0o111 else 0o644) | (member.mode & 0o6000)
            yield Entry(path=path, kind="file", mode=mode, content=_content(archive, member))
        else:
            raise Refusal(f"{name} holds {member.name}, which is neither a file, a folder nor a link")


def merged(path: str) -> str:
    """Return a path after the merge of /bin, /lib and similar folders into /usr."""
    return f"usr/{path}" if path.partition("/")[0] in MERGED else path


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return file.read() if file else b""
