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
    """Build a project's wheel: file name and bytes. Times in it are `epoch` (seconds since 1970).

    Raises:
        BadDefinition: the folder has no pyproject.toml.
        Refusal: its backend is not installed, or fails.
    """
    try:
        declared = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadDefinition(f"{folder} has no pyproject.toml") from error
    backend = str(declared.get("build-system", {}).get("build-backend", "setuptools.build_meta"))
    with tempfile.TemporaryDirectory() as output_folder:
        process = subprocess.run(  # noqa: S603 - this interpreter and the backend that the project declares
            [sys.executable, "-B", "-c", HOOK, backend, output_folder],
            cwd=folder,
            env=os.environ | {"SOURCE_DATE_EPOCH": str(epoch), "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        wheels = sorted(Path(output_folder).glob("*.whl"))
        if process.returncode or len(wheels) != 1:
            errors = (process.stderr or process.stdout).strip().splitlines()
            raise Refusal(f"the wheel of {folder} was not built by {backend}: {errors[-1] if errors else 'no message'}")
        return wheels[0].name, wheels[0].read_bytes()
