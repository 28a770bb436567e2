"""How much memory the machine lets the process use: the smallest limit of its control groups and of its own."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Final

GROUPS: Final = Path("/sys/fs/cgroup")
OWN_GROUPS: Final = Path("/proc/self/cgroup")
_UNLIMITED: Final = 2**62  # bytes; version 1 writes a number near 2**63 where there is no limit


def memory_limit(groups: Path = GROUPS, own: Path = OWN_GROUPS) -> int | None:
    """Return the limit in bytes, None where there is none. Both versions of control groups are read (cgroups(7))."""
    limits = [limit for limit in _group_limits(groups, own) if limit < _UNLIMITED]
    address_space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if address_space != resource.RLIM_INFINITY:
        limits.append(address_space)
    return min(limits, default=None)


def _group_limits(groups: Path, own: Path) -> Iterator[int]:
    """Yield the limits of the groups that this process is in, and of those around them."""
    try:
        lines = own.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # version 2
            root, name = groups, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = groups / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            with contextlib.suppress(OSError, ValueError):  # "max", or a group outside of this container
                yield int((folder / name).read_text(encoding="ascii"))
            if folder == root:
                break
