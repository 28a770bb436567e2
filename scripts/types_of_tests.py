"""Checks the types of tests, scripts, benchmark and examples, as strictly as those of the program.

Their folders are not packages, but are on the import path. mypy refuses two files with the same module name, and most
folders have a `conftest`. Therefore every module is passed to mypy by name, with all folders on its path. The name of a
`conftest`, and of the `run` of benchmark and demo, contains its folder (`attacks.conftest`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
CHECKED: Final = (ROOT / "tests", ROOT / "delivery" / "tests", ROOT / "bench", ROOT / "examples")
BY_FOLDER: Final = frozenset({"conftest", "run"})
# Folders of `tests` that are imported as packages, with the folder from which they are imported.
NAMED: Final = {"support": ROOT / "tests", "garden": ROOT / "tests" / "plugins"}
# import-linter has no types for the base classes of contracts.
IMPORT_LINTER: Final = {"contracts"}


def main() -> int:
    """Run mypy. Returns its exit code."""
    modules = {name: folder for root in CHECKED for name, folder in modules_of(root)}
    folders = [
        ROOT / "src",
        ROOT / "delivery" / "src",
        ROOT / "scripts",
        *dict.fromkeys(modules.values()),
    ]
    path = os.pathsep.join(map(str, folders))
    scripts = {path.stem for path in (ROOT / "scripts").glob("*.py")} - IMPORT_LINTER
    named = [word for name in sorted({*modules, *scripts}) for word in ("-m", name)]
    command = [sys.executable, "-m", "mypy", "-p", "ostiary", "-p", "ostiary_delivery", *named]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "MYPYPATH": path}, check=False).returncode


def modules_of(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name of each module in a folder, with the folder from which it is imported."""
    for path in sorted(root.rglob("*.py")):
        inside = next((NAMED[part] for part in path.relative_to(root).parts if part in NAMED), path.parent)
        base = path.parent.parent if path.stem in BY_FOLDER else inside
        parts = path.relative_to(base).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), base


if __name__ == "__main__":
    sys.exit(main())
