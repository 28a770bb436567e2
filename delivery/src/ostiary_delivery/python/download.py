"""Brings wheels through pip, wherever pip is set up to find them; hashes decide what is accepted, never the place."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ostiary_delivery.cache import Cache, Wanted
from ostiary_delivery.errors import Tampered, Unreachable
from ostiary_delivery.python.requirements import Pin, Target

TIMEOUT: Final = 60
OLDEST: Final = 5  # glibc 2.5 is manylinux1
NAMED: Final = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_ABSENT: Final = re.compile(r"No matching distribution found for|Could not find a version that satisfies")
_BRINGS: Final = re.compile(r"^\s*(?:Downloading|Using cached|Processing|Looking at) \S+\.whl(?:\s|$)")
_SILENT: Final = re.compile(r"Retrying \(|Max retries exceeded|connection error|timed out")
UNBUFFERED: Final = {"PYTHONUNBUFFERED": "1"}
Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """One wheel that is now in the cache."""

    pin: Pin
    file: Wanted


def download(
    pins: Sequence[Pin], *, target: Target, cache: Cache, advance: Advance
) -> tuple[list[Downloaded], list[Pin]]:
    """Bring one wheel for each pin into the cache; returns what came and what nobody has any more.

    Raises:
        Tampered: the index has a file under that name with another hash; the message names the package.
        Unreachable: the index does not answer.
    """
    came: list[Downloaded] = []
    gone: list[Pin] = []
    with tempfile.TemporaryDirectory() as folder:
        if _ask(pins, Path(folder), target, advance=advance) is None:
            return _take(pins, Path(folder), cache=cache), gone
    for pin in pins:  # one after the other, to learn which of them failed
        with tempfile.TemporaryDirectory() as folder:
            failure = _ask([pin], Path(folder), target, advance=advance)
            if failure is None:
                came += _take([pin], Path(folder), cache=cache)
            elif "DO NOT MATCH THE HASHES" in failure:
                raise Tampered(
                    f"{pin.name} {pin.version} is not what was locked: none of its hashes fits what the index has"
                )
            elif _ABSENT.search(failure) and not _SILENT.search(failure):
                gone.append(pin)
            else:
                raise Unreachable(f"{pin.name} {pin.version}: {failure.strip().splitlines()[-1]}")
    return came, gone


def platforms(target: Target) -> Iterator[str]:
    """Yield the platform tags whose wheels run on the target, best first."""
    major, minor = (int(one) for one in target.glibc.split("."))
    for number in range(minor, OLDEST - 1, -1):
        yield f"manylinux_{major}_{number}_{target.machine}"
        if number in NAMED:
            yield f"{NAMED[number]}_{target.machine}"
    yield f"linux_{target.machine}"


def _ask(pins: Sequence[Pin], folder: Path, target: Target, *, advance: Advance) -> str | None:
    """Let pip fetch the pins into a folder, counting the wheels it names; returns what it said when it failed."""
    lines = [
        f"{pin.name}=={pin.version} " + " ".join(f"--hash=sha256:{one}" for one in sorted(pin.hashes)) for pin in pins
    ]
    wanted = folder / "wanted.txt"
    wanted.write_text("\n".join(lines), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-input",
        "--progress-bar",
        "off",
        "--disable-pip-version-check",
    ]
    command += [
        "--retries",
        "1",
        "--timeout",
        str(TIMEOUT),
    ]  # a retry is told, so that silence is not taken for absence
    command += [
        "--no-deps",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--implementation",
        "cp",
        "--dest",
        str(folder),
    ]
    command += ["--python-version", target.python, "--requirement", str(wanted)]
    for platform in platforms(target):
        command += ["--platform", platform]
    said: list[str] = []
    with subprocess.Popen(  # noqa: S603 - pip, with pinned names
        command, env=os.environ | UNBUFFERED, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        for line in pip.stdout or ():
            said.append(line)
            advance(1 if _BRINGS.search(line) else 0)
    if pip.returncode == 0:
        advance(len(pins) - sum(1 for line in said if _BRINGS.search(line)))
        return None
    return "".join(said) or "pip failed without a word"


def _take(pins: Sequence[Pin], folder: Path, *, cache: Cache) -> list[Downloaded]:
    by_hash = {sha256: pin for pin in pins for sha256 in pin.hashes}
    taken = []
    for path in sorted(folder.glob("*.whl")):
        data = path.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 not in by_hash:
            raise Tampered(f"{path.name} is not what was locked: found {sha256}")
        cache.put(data)
        taken.append(Downloaded(pin=by_hash[sha256], file=Wanted(name=path.name, sha256=sha256, size=len(data))))
    return taken
