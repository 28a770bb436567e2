"""Refuses files that name a package registry: locks contain names, versions and hashes, but no sources."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
# The last letters are in brackets, so that this file does not match itself.
HOSTS: Final = re.compile(r"pythonhoste[d]|pypi\.or[g]|registry\.npmj[s]|deb\.debian\.or[g]|--(extra-)?index-ur[l]")


def main() -> int:
    """Print every line that names a registry. Returns the exit code: 1 if there is one."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    lines = [
        f"{name}:{number}: {line.strip()[:120]}"
        for name in sorted(set(listed.split("\0")) - {""})
        if (ROOT / name).is_file()
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if HOSTS.search(line)
    ]
    print("\n".join(lines) or "no file names a registry")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
