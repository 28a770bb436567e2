"""One layer: a reproducible tar archive, and its compressed form."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ostiary_delivery.compress import pack
from ostiary_delivery.tree import Entry, with_parents

EPOCH: Final = 315532800
"""Modification time of every file, in seconds since 1970: 1980-01-01, the earliest of zip files. A constant, so that a
new lock changes only the layers of changed packages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A packed layer; hashes are written sha256:hex, as OCI does."""

    title: str
    diff_id: str
    digest: str
    size: int
    unpacked: int


def make(title: str, entries: Iterable[Entry], *, user: int, level: int) -> tuple[Layer, bytes]:
    """Build a layer: its descriptor and its packed bytes."""
    data = archive(entries, user=user)
    packed = pack(data, level=level)
    layer = Layer(title=title, diff_id=digest_of(data), digest=digest_of(packed), size=len(packed), unpacked=len(data))
    return layer, packed


def archive(entries: Iterable[Entry], *, user: int) -> bytes:
    """Return a tar archive (pax): sorted entries of equal time, owned by root, or by `user` if `owned`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for entry in with_parents(entries):
            member = tarfile.TarInfo(entry.path)
            member.mtime = EPOCH
            member.mode = entry.mode
            member.uid = member.gid = user if entry.owned else 0
            if entry.kind == "directory":
                member.type = tarfile.DIRTYPE
            elif entry.kind == "symlink":
                member.type, member.linkname = tarfile.SYMTYPE, entry.target
            else:
                member.size = len(entry.content)
            tar.addfile(member, io.BytesIO(entry.content) if entry.kind == "file" else None)
    return buffer.getvalue()


def digest_of(data: bytes) -> str:
    """Return sha256:hex."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
