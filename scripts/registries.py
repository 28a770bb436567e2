"""Refuses files that name a package registry: locks hold names, versions and hashes, and nothing about places."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
# The last letters stand in brackets, so that this file does not name them either.
HOSTS: Final = re.compile(r"pythonhoste[d]|pypi\.or[g]|registry\.npmj[s]|deb\.debian\.or[g]|--(extra-)?index-ur[l]")


def main() -> int:
    """Print every line that names a registry; 1 when there is one."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    found = [
        f"{name}:{number}: {line.strip()[:120]}"
        for name in sorted(set(listed.split("\0")) - {""})
        if (ROOT / name).is_file()
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if HOSTS.search(line)
    ]
    print("\n".join(found) or "no file names a registry")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
