"""The wheel of the project itself, built from the checkout through its own build backend (PEP 517)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Final

from ostiary_delivery.errors import BadDefinition, Refusal

# The backend runs in a process of its own: it may change its working folder and its environment.
HOOK: Final = """
import importlib, sys
name, _, attribute = sys.argv[1].partition(":")
backend = importlib.import_module(name)
print(getattr(backend, attribute, backend).build_wheel(sys.argv[2]))
"""


def build(folder: Path, *, epoch: int) -> tuple[str, bytes]:
    """Return name and bytes of a project's wheel; times in it are `epoch` (seconds since 1970).

    Raises:
        BadDefinition: the folder has no pyproject.toml.
        Refusal: its backend is not installed, or fails.
    """
    try:
        declared = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadDefinition(f"{folder} has no pyproject.toml") from error
    backend = str(declared.get("build-system", {}).get("build-backend", "setuptools.build_meta"))
    with tempfile.TemporaryDirectory() as taken:
        ended = subprocess.run(  # noqa: S603 - this interpreter and the backend that the project declares
            [sys.executable, "-B", "-c", HOOK, backend, taken],
            cwd=folder,
            env=os.environ | {"SOURCE_DATE_EPOCH": str(epoch), "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        found = sorted(Path(taken).glob("*.whl"))
        if ended.returncode or len(found) != 1:
            said = (ended.stderr or ended.stdout).strip().splitlines()
            raise Refusal(f"the wheel of {folder} was not built by {backend}: {said[-1] if said else 'no word'}")
        return found[0].name, found[0].read_bytes()
