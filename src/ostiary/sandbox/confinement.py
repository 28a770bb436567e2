"""The launcher of a worker: it drops all privileges that it can, then executes the worker.

It is a separate program (`ostiary-expression-worker`), because a process can only confine itself, and the image has no
setpriv or prlimit. It imports little, because each start of a worker waits for it.

A worker keeps only its memory and its three standard streams. Input and output are connected to the server. Its errors
are discarded, since an expression can write there.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

NOBODY = 65534
ADDRESS_SPACE = 1 << 30  # bytes; a fresh worker takes 180 MiB of them, and touches 10
OPEN_FILES = 16

_BINARY = "monty"
_SIGKILL = 9
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4


def main() -> None:
    """Execute the worker without privileges. Raises OSError if one cannot be dropped, so that no worker starts."""
    binary = os.open(os.path.join(os.path.dirname(sys.argv[0]), _BINARY), os.O_RDONLY | os.O_CLOEXEC)  # noqa: PTH118, PTH120 - pathlib takes 5 ms
    os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), 2)
    # guard: A56 a worker has no file of the server's
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208 - as above
        if int(number) > 2 and int(number) != binary:  # noqa: PLR2004 - the three streams
            os.closerange(int(number), int(number) + 1)  # no error for the one that listed them
    confine()
    os.execve(binary, [_BINARY, *sys.argv[1:]], {})  # noqa: S606 - that is what this program is for


def confine() -> None:
    """Drop privileges, and limit files, core dumps and memory."""
    # guard: A56 a worker is not root
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    # guard: A56 a worker gets no new rights
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    # guard: A56 a worker dies with its server
    prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    os.chdir("/")
    # guard: A56 a worker's memory and files are bounded
    for limit, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_AS, ADDRESS_SPACE),
    ):
        resource.setrlimit(limit, (most, most))


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process. Raises OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")
