"""The two steps of a Nix derivation (`delivery/nix/image.nix`): fetch one locked file, build one image.

A derivation passes its arguments as environment variables:

out              path of the result; it does not exist yet
source           a folder with containers/<container>, and for `build` also with the sources of the project's wheel
container        the container's name
wanted           `fetch`: the SHA-256 (hex) of the locked file
inputs           `build`: JSON, the path of every locked file by its SHA-256
NIX_BUILD_TOP    an empty temporary folder
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
    """Run the step named on the command line and return the exit code; refusals go to standard error."""
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
    """Download one locked file to `out`.

    Raises:
        BadDefinition: the lock does not hold it.
        Stale: it cannot be had any more.
        Tampered: the server has other bytes under its name.
        Unreachable: the server does not answer.
    """
    container = definition.read(Path(environ["source"]), environ["container"])
    lock = lockfile.load(container.folder)
    environment_settings = settings.load(environ)
    cache = Cache(Path(environ["NIX_BUILD_TOP"]) / "cache", inputs=environment_settings.inputs)
    debs = [one for one in lock.debs if one.sha256 == environ["wanted"]]
    wheels = [one for one in lock.wheels if one.sha256 == environ["wanted"]]
    if not debs and not wheels:
        raise BadDefinition(f"{container.name}: the lock holds no file with the hash {environ['wanted']}")
    unavailable = locking.fetch_debs(debs, settings=environment_settings, cache=cache, progress=Silent())
    if wheels and container.wheels:
        target = locking.target_of(container, container.wheels)
        unavailable += locking.fetch_wheels(wheels, target=target, cache=cache, progress=Silent())
    if unavailable:
        raise Stale(unavailable, advice=locking.ADVICE.format(name=container.name))
    artifact = (debs or wheels)[0].artifact
    Path(environ["out"]).write_bytes(cache.read(artifact))


def build(environ: Mapping[str, str]) -> None:
    """Build an image from the given inputs only and write its OCI layout to `out`.

    Raises:
        Refusal: a locked file is not among the inputs, or whatever `ostiary-delivery build` refuses.
    """
    top, source = Path(environ["NIX_BUILD_TOP"]), Path(environ["source"])
    inputs = top / "inputs"
    inputs.mkdir()
    for sha256, path in json.loads(environ["inputs"]).items():
        (inputs / sha256).symlink_to(path)
    container = definition.read(source, environ["container"])
    place = replace(settings.load({}, apt=inputs), cache=top / "cache", inputs=(inputs,))
    cache = Cache(place.cache, inputs=place.inputs)
    lock = lockfile.load(container.folder)
    files = [one.artifact for one in lock.debs] + [one.artifact for one in lock.wheels]
    missing = [one.name for one in files if not cache.has(one)]
    if missing:
        raise Refusal(f"{container.name}: not among the inputs: {', '.join(missing)}")
    at = building.BuildContext(repository=source, settings=place, cache=cache, progress=Silent())
    built = building.build(container, at=at)
    oci.save(top / "image", built.image, blobs=built.blobs, tag=None)
    shutil.copytree(top / "image", Path(environ["out"]))
    sys.stdout.write(f"{container.name}: {len(built.layers)} layers, {built.image.size} bytes, {built.image.digest}\n")


STEPS: Final = {"fetch": fetch, "build": build}

if __name__ == "__main__":
    sys.exit(main())
