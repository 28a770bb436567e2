"""Files with secrets: new, readable by their owner only, and never in a git work tree."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ostiary_delivery.errors import Refusal


def work_tree(path: Path) -> Path | None:
    """Return the git work tree of a path, with links resolved, or None."""
    resolved = Path(os.path.realpath(path))
    return next((one for one in (resolved, *resolved.parents) if (one / ".git").exists()), None)


def save(path: Path, text: str) -> None:
    """Write a new file with mode 0600.

    Raises:
        Refusal: the file exists, or would lie in a git work tree.
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


def require_outside_work_tree(descriptor: int) -> None:
    """Require that an output (standard output, say) is no file in a git work tree.

    Raises:
        Refusal: it is such a file.
    """
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            _refuse_in_git(Path(f"/proc/self/fd/{descriptor}"))
    except OSError:
        return  # a closed output is no file


def _refuse_in_git(path: Path) -> None:
    tree = work_tree(path)
    if tree:
        raise Refusal(f"{os.path.realpath(path)} lies in the git work tree {tree}: secrets are not written there")
