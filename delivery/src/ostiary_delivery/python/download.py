"""Downloads wheels through pip and its configuration. Hashes decide what is accepted, never the source."""

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

from ostiary_delivery.cache import Artifact, Cache
from ostiary_delivery.errors import Tampered, Unreachable
from ostiary_delivery.python.requirements import Pin, Target

TIMEOUT: Final = 60
OLDEST_GLIBC: Final = 5  # glibc 2.5 is manylinux1
LEGACY_TAGS: Final = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_NO_VERSION: Final = re.compile(r"No matching distribution found for|Could not find a version that satisfies")
_WHEEL_LINE: Final = re.compile(r"^\s*(?:Downloading|Using cached|Processing|Looking at) \S+\.whl(?:\s|$)")
_NO_ANSWER: Final = re.compile(r"Retrying \(|Max retries exceeded|connection error|timed out")
UNBUFFERED: Final = {"PYTHONUNBUFFERED": "1"}
Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """One wheel in the cache."""

    pin: Pin
    file: Artifact


def download(
    pins: Sequence[Pin], *, target: Target, cache: Cache, advance: Advance
) -> tuple[list[Downloaded], list[Pin]]:
    """Download one wheel for each pin into the cache; return the downloads and the unavailable pins.

    Raises:
        Tampered: the index has a file under that name with another hash; the message names the package.
        Unreachable: the index does not answer.
    """
    downloads: list[Downloaded] = []
    unavailable: list[Pin] = []
    with tempfile.TemporaryDirectory() as folder:
        if _run_pip(pins, Path(folder), target, advance=advance) is None:
            return _collect(pins, Path(folder), cache=cache), unavailable
    for pin in pins:  # one after the other, to learn which of them failed
        with tempfile.TemporaryDirectory() as folder:
            failure = _run_pip([pin], Path(folder), target, advance=advance)
            if failure is None:
                downloads += _collect([pin], Path(folder), cache=cache)
            elif "DO NOT MATCH THE HASHES" in failure:
                raise Tampered(
                    f"{pin.name} {pin.version} is not what was locked: none of its hashes fits what the index has"
                )
            elif _NO_VERSION.search(failure) and not _NO_ANSWER.search(failure):
                unavailable.append(pin)
            else:
                raise Unreachable(f"{pin.name} {pin.version}: {failure.strip().splitlines()[-1]}")
    return downloads, unavailable


def platforms(target: Target) -> Iterator[str]:
    """Yield the platform tags that run on the target, best first (PEP 600)."""
    major, minor = (int(one) for one in target.glibc.split("."))
    for number in range(minor, OLDEST_GLIBC - 1, -1):
        yield f"manylinux_{major}_{number}_{target.machine}"
        if number in LEGACY_TAGS:
            yield f"{LEGACY_TAGS[number]}_{target.machine}"
    yield f"linux_{target.machine}"


def _run_pip(pins: Sequence[Pin], folder: Path, target: Target, *, advance: Advance) -> str | None:
    """Run pip to download the pins into a folder, counting wheels in its output; return the output if it failed."""
    lines = [
        f"{pin.name}=={pin.version} " + " ".join(f"--hash=sha256:{one}" for one in sorted(pin.hashes)) for pin in pins
    ]
    requirements = folder / "wanted.txt"
    requirements.write_text("\n".join(lines), encoding="utf-8")
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
    ]  # pip reports a retry, which tells no answer from an absent version
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
    command += ["--python-version", target.python, "--requirement", str(requirements)]
    for platform in platforms(target):
        command += ["--platform", platform]
    output: list[str] = []
    with subprocess.Popen(  # noqa: S603 - pip, with pinned names
        command, env=os.environ | UNBUFFERED, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        for line in pip.stdout or ():
            output.append(line)
            advance(1 if _WHEEL_LINE.search(line) else 0)
    if pip.returncode == 0:
        advance(len(pins) - sum(1 for line in output if _WHEEL_LINE.search(line)))
        return None
    return "".join(output) or "pip failed without a message"


def _collect(pins: Sequence[Pin], folder: Path, *, cache: Cache) -> list[Downloaded]:
    by_hash = {sha256: pin for pin in pins for sha256 in pin.hashes}
    downloads = []
    for path in sorted(folder.glob("*.whl")):
        data = path.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 not in by_hash:
            raise Tampered(f"{path.name} is not what was locked: found {sha256}")
        cache.put(data)
        downloads.append(Downloaded(pin=by_hash[sha256], file=Artifact(name=path.name, sha256=sha256, size=len(data))))
    return downloads
