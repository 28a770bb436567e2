"""Compression of layers: gzip by libdeflate, whose output depends on its version and level only.

Different gzip programs write different bytes. The lock holds the hash of a probe, so that a build with another
compressor stops instead of giving another digest.
"""

from __future__ import annotations

import hashlib
from typing import Final

import deflate

from ostiary_delivery.errors import Refusal
from ostiary_delivery.lockfile import Compressor

NAME: Final = "libdeflate-gzip"
LEVEL: Final = 10
ROUNDS: Final = 4096


def pack(data: bytes, *, level: int) -> bytes:
    """Return bytes compressed as a gzip file."""
    return bytes(deflate.gzip_compress(data, level))


def here() -> Compressor:
    """Return the compressor of this machine, with the hash of its probe."""
    return Compressor(name=NAME, level=LEVEL, probe=probe(LEVEL))


def check(locked: Compressor) -> None:
    """Raise Refusal when this machine's compressor does not write what the locked one does."""
    if locked.name != NAME or probe(locked.level) != locked.probe:
        raise Refusal(
            "this compressor writes other bytes than the locked one: install the locked `deflate`, or lock again"
        )


def probe(level: int) -> str:
    """Return the SHA-256 (hex) of a text of mixed repetition, packed."""
    parts = [hashlib.sha256(str(number % 1500).encode()).hexdigest().encode() for number in range(ROUNDS)]
    return hashlib.sha256(pack(b"".join(parts), level=level)).hexdigest()
