"""The `ostiary` command with a password hash that costs next to nothing: a sign-in is measured apart from it."""

from __future__ import annotations

from ostiary.cli import main
from ostiary.directory.passwords import formats

formats.TIME_COST = 1  # type: ignore[misc]
formats.MEMORY_COST = 8  # type: ignore[misc] # KiB
formats._CURRENT = "argon2$argon2id$v=19$m=8,t=1,p=1$"  # type: ignore[misc] # noqa: SLF001

if __name__ == "__main__":
    raise SystemExit(main())
