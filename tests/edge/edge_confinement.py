"""Starts a program under the seccomp filters that systemd would make of a unit: edge_confinement.py UNIT PROGRAM...

SystemCallFilter, MemoryDenyWriteExecute and RestrictAddressFamilies, with systemd's own groups of system calls
(`systemd-analyze syscall-filter`) and libseccomp, which systemd uses as well.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ALLOW = 0x7FFF0000  # SCMP_ACT_ALLOW; SCMP_ACT_ERRNO(n) is 0x00050000 | n
EQUAL, MASKED_EQUAL = 4, 7  # of scmp_compare
PROT_WRITE, PROT_EXEC, SHM_EXEC = 2, 4, 0o100000


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp"""

    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def library() -> ctypes.CDLL:
    found = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    found.seccomp_init.restype = ctypes.c_void_p
    found.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(Comparison),
    ]  # fmt: skip
    found.seccomp_load.argtypes = [ctypes.c_void_p]
    return found


class Filter:
    """One filter: what becomes of a call by default, and exceptions."""

    def __init__(self, seccomp: ctypes.CDLL, default: int) -> None:
        self.seccomp = seccomp
        self.context = seccomp.seccomp_init(ctypes.c_uint32(default))
        assert self.context

    def add(self, action: int, name: str, *comparisons: tuple[int, int, int, int]) -> None:
        number = self.seccomp.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return  # of another architecture, or newer than the library
        rows = (Comparison * len(comparisons))(*(Comparison(*one) for one in comparisons))
        done = self.seccomp.seccomp_rule_add_array(self.context, action, number, len(comparisons), rows)
        assert done == 0, (name, done)

    def load(self) -> None:
        done = self.seccomp.seccomp_load(self.context)
        assert done == 0, os.strerror(-done)


def values(unit: Path, key: str) -> list[str]:
    return [line.partition("=")[2] for line in unit.read_text().splitlines() if line.startswith(f"{key}=")]


def members(group: str) -> Iterator[str]:
    """Yield the system calls of a group, such as @system-service."""
    done = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines()[1:]:
        word = line.strip()
        if word.startswith("@"):
            yield from members(word)
        elif word and not word.startswith("#"):
            yield word


def allowed(unit: Path) -> set[str]:
    """Return the calls that the unit leaves. @default is always there."""
    found = set(members("@default"))
    for line in values(unit, "SystemCallFilter"):
        for word in line.removeprefix("~").split():
            calls = set(members(word)) if word.startswith("@") else {word}
            found = found - calls if line.startswith("~") else found | calls
    return found | set(members("@default"))


def confine(unit: Path) -> None:
    """Put the filters in force for this process and what it starts."""
    calls, families = allowed(unit), values(unit, "RestrictAddressFamilies")[0].split()
    assert values(unit, "MemoryDenyWriteExecute") == ["yes"]
    seccomp, refused = library(), 0x00050000 | errno.EPERM
    memory = Filter(seccomp, ALLOW)
    both = PROT_WRITE | PROT_EXEC
    memory.add(refused, "mmap", (2, MASKED_EQUAL, both, both))
    memory.add(refused, "mprotect", (2, MASKED_EQUAL, PROT_EXEC, PROT_EXEC))
    memory.add(refused, "pkey_mprotect", (2, MASKED_EQUAL, PROT_EXEC, PROT_EXEC))
    memory.add(refused, "shmat", (2, MASKED_EQUAL, SHM_EXEC, SHM_EXEC))
    memory.load()
    sockets = Filter(seccomp, ALLOW)
    for family in set(range(46)) - {int(getattr(socket, name)) for name in families}:
        sockets.add(0x00050000 | errno.EAFNOSUPPORT, "socket", (0, EQUAL, family, 0))
    sockets.load()
    whole = Filter(seccomp, refused)
    for name in sorted(calls):
        whole.add(ALLOW, name)
    whole.load()  # the last: it does not allow another one


if __name__ == "__main__":
    confine(Path(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - its purpose
