"""The two steps that a derivation of Nix runs (`delivery/nix/image.nix`): fetch one locked file, build one image.

A derivation speaks through its environment:

out              where the result goes; it does not exist yet
source           a folder with containers/<container>, and for `build` also with what the project's wheel is built from
container        the container's name
wanted           `fetch`: the SHA-256 (hex) of the locked file
inputs           `build`: JSON, the path of every locked file by its SHA-256
NIX_BUILD_TOP    an empty folder that is thrown away afterwards
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from ostiary_delivery import build as building
from ostiary_delivery import definition, lockfile, locking, oci, settings
from ostiary_delivery.cache import Cache
from ostiary_delivery.errors import BadDefinition, Refusal, Stale
from ostiary_delivery.progress import Silent


def main() -> int:
    """Run the step that the command line names and return the exit code; a refusal is told on standard error."""
    step = STEPS.get(" ".join(sys.argv[1:]))
    try:
        if step is None:
            raise BadDefinition(f"python -m ostiary_delivery.nix takes one word of: {', '.join(STEPS)}")
        step(os.environ)
    except Refusal as refusal:
        sys.stderr.write(f"ostiary-delivery: {refusal}\n")
        return refusal.exit_code
    return 0


def fetch(environ: Mapping[str, str]) -> None:
    """Bring one locked file to `out`.

    Raises:
        BadDefinition: the lock does not hold it.
        Stale: nobody has it any more. Tampered: somebody has other bytes under its name. Unreachable: no answer.
    """
    container = definition.read(Path(environ["source"]), environ["container"])
    lock = lockfile.load(container.folder)
    found = settings.load(environ)
    cache = Cache(Path(environ["NIX_BUILD_TOP"]) / "cache", inputs=found.inputs)
    debs = [one for one in lock.debs if one.sha256 == environ["wanted"]]
    wheels = [one for one in lock.wheels if one.sha256 == environ["wanted"]]
    if not debs and not wheels:
        raise BadDefinition(f"{container.name}: the lock holds no file with the hash {environ['wanted']}")
    gone = locking.fetch_debs(debs, settings=found, cache=cache, progress=Silent())
    if wheels and container.wheels:
        target = locking.target_of(container, container.wheels)
        gone += locking.fetch_wheels(wheels, target=target, cache=cache, progress=Silent())
    if gone:
        raise Stale(gone, advice=locking.ADVICE.format(name=container.name))
    wanted = (debs or wheels)[0].wanted
    Path(environ["out"]).write_bytes(cache.read(wanted))


def build(environ: Mapping[str, str]) -> None:
    """Build an image from given files alone and write its layout (OCI) to `out`.

    Raises:
        Refusal: a locked file is not among the inputs, or whatever `ostiary-delivery build` refuses.
    """
    top, source = Path(environ["NIX_BUILD_TOP"]), Path(environ["source"])
    given = top / "inputs"
    given.mkdir()
    for sha256, path in json.loads(environ["inputs"]).items():
        (given / sha256).symlink_to(path)
    container = definition.read(source, environ["container"])
    place = replace(settings.load({}, apt=given), cache=top / "cache", inputs=(given,))
    cache = Cache(place.cache, inputs=place.inputs)
    lock = lockfile.load(container.folder)
    files = [one.wanted for one in lock.debs] + [one.wanted for one in lock.wheels]
    missing = [one.name for one in files if not cache.has(one)]
    if missing:
        raise Refusal(f"{container.name}: not among the inputs: {', '.join(missing)}")
    at = building.Building(repository=source, settings=place, cache=cache, progress=Silent())
    built = building.build(container, at=at)
    oci.save(top / "image", built.image, blobs=built.blobs, tag=None)
    shutil.copytree(top / "image", Path(environ["out"]))
    sys.stdout.write(f"{container.name}: {len(built.parts)} layers, {built.image.size} bytes, {built.image.digest}\n")


STEPS: Final = {"fetch": fetch, "build": build}

if __name__ == "__main__":
    sys.exit(main())
