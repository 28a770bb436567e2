"""Starts a program on a disk where no file grows beyond so many bytes: faults_full_disk.py BYTES PROGRAM...

A filter of system calls says what the kernel says of a full disk: ENOSPC at every write behind that place.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "edge"))

from edge_confinement import ALLOW, Filter, library

AT_LEAST = 5  # SCMP_CMP_GE of scmp_compare
OFFSET = 3  # the argument of pwrite64


def fill(most: int) -> None:
    disk = Filter(library(), ALLOW)
    disk.add(0x00050000 | errno.ENOSPC, "pwrite64", (OFFSET, AT_LEAST, most, 0))
    disk.load()


if __name__ == "__main__":
    fill(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - its purpose
