"""Reproducible bytecode, compiled by the image's own Python.

That Python runs from its unpacked packages through the loader of its C library, so neither a container nor privileges
are needed. Files use unchecked hashes (PEP 552), because a read-only image cannot change.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ostiary_delivery.errors import Refusal
from ostiary_delivery.tree import Entry, file

# Runs in the image's Python: standard library only.
COMPILER: Final = """
import json, py_compile, sys
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
for source, compiled, shown in json.load(sys.stdin):
    try:
        py_compile.compile(source, compiled, shown, doraise=True, invalidation_mode=mode)
    except py_compile.PyCompileError:
        pass  # templates and samples of broken code; Python says so itself when somebody imports them
"""
MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
"""Debian's architecture -> its name for the kernel and qemu."""
LOADERS: Final = {
    "amd64": ("usr/lib64/ld-linux-x86-64.so.2", "usr/lib/x86_64-linux-gnu"),
    "arm64": ("usr/lib/ld-linux-aarch64.so.1", "usr/lib/aarch64-linux-gnu"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """The compiling Python: command, environment, and its tag in file names (cpython-313)."""

    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    tag: str


def of_image(root: Path, *, python: str, architecture: str) -> Interpreter:
    """Return the Python of an unpacked root.

    Raises:
        Refusal: it is missing, or the architecture is unknown or needs qemu, which is not installed.
    """
    program = root / "usr/bin" / f"python{python}"
    if architecture not in LOADERS or not program.exists():
        raise Refusal(f"no Python {python} for {architecture} is among the packages: bytecode cannot be made")
    loader, libraries = LOADERS[architecture]
    command = (
        *emulator(architecture),
        str(root / loader),
        "--library-path",
        str(root / libraries),
        str(program),
        "-s",
        "-S",
        "-B",
    )
    environment = (("PYTHONHOME", str(root / "usr")), ("PYTHONHASHSEED", "0"), ("LC_ALL", "C.UTF-8"))
    return Interpreter(command=command, environment=environment, tag=f"cpython-{python.replace('.', '')}")


def emulator(architecture: str) -> tuple[str, ...]:
    """Return the command that emulates an architecture; empty for this machine's own.

    Raises:
        Refusal: qemu's user mode is needed and not installed.
    """
    machine = MACHINES[architecture]
    if platform.machine() == machine:
        return ()
    program = shutil.which(f"qemu-{machine}-static") or shutil.which(f"qemu-{machine}")
    if program is None:
        raise Refusal(f"to make bytecode for {architecture} here, install qemu-user-static (or qemu-user)")
    return (program,)


def compiled(entries: Iterable[Entry], *, interpreter: Interpreter) -> list[Entry]:
    """Return the bytecode of the Python files among the entries. Files that do not compile are skipped.

    Raises:
        Refusal: the interpreter does not run.
    """
    sources = sorted(
        (one for one in entries if one.kind == "file" and one.path.endswith(".py")), key=lambda one: one.path
    )
    if not sources:
        return []
    with tempfile.TemporaryDirectory() as folder:
        jobs = [_job(Path(folder), number, one, interpreter.tag) for number, one in enumerate(sources)]
        _run(interpreter, [(source, target, shown) for source, target, shown, _ in jobs])
        return [file(path, Path(target).read_bytes()) for _, target, _, path in jobs if Path(target).exists()]


def _job(folder: Path, number: int, source: Entry, tag: str) -> tuple[str, str, str, str]:
    parent, _, name = source.path.rpartition("/")
    source_file = folder / f"{number}.py"
    source_file.write_bytes(source.content)
    path = f"{parent}/__pycache__/{name.removesuffix('.py')}.{tag}.pyc"
    return str(source_file), str(folder / f"{number}.pyc"), f"/{source.path}", path


def _run(interpreter: Interpreter, jobs: Sequence[tuple[str, str, str]]) -> None:
    process = subprocess.run(  # noqa: S603 - the image's own Python, whose packages were checked
        [*interpreter.command, "-c", COMPILER],
        input=json.dumps(jobs).encode(),
        env=dict(interpreter.environment),
        capture_output=True,
        check=False,
    )
    if process.returncode:
        errors = process.stderr.decode(errors="replace").strip().splitlines()
        raise Refusal(f"the image's Python does not run here: {errors[-1] if errors else process.returncode}")
