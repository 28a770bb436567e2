"""Where secrets may be written: into a new file that only its owner reads, and never below a git work tree."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ostiary_delivery.errors import Refusal


def work_tree(path: Path) -> Path | None:
    """Return the git work tree that a path lies in, links followed, or None."""
    whole = Path(os.path.realpath(path))
    return next((one for one in (whole, *whole.parents) if (one / ".git").exists()), None)


def save(path: Path, text: str) -> None:
    """Write a new file with mode 0600.

    Raises:
        Refusal: it is there already, or it would lie in a git work tree.
    """
    _refuse_in_git(path)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError as error:
        raise Refusal(f"{path} is there already, and secrets are never overwritten") from error
    except OSError as error:
        raise Refusal(f"{path} cannot be written: {error.strerror}") from error
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


def check_stream(descriptor: int) -> None:
    """Look at where standard output goes: a file in a work tree is refused like one that is named.

    Raises:
        Refusal: it is such a file.
    """
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            _refuse_in_git(Path(f"/proc/self/fd/{descriptor}"))
    except OSError:
        return  # a closed or strange output is no file


def _refuse_in_git(path: Path) -> None:
    tree = work_tree(path)
    if tree:
        raise Refusal(f"{os.path.realpath(path)} lies in the git work tree {tree}: secrets are not written there")
