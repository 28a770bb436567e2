"""The real images for another architecture: built here from its packages, with nothing of it being run."""

from __future__ import annotations

import io
import json
import struct
import tarfile
from pathlib import Path

import pytest
from ostiary_delivery import oci
from real_images import NAMES, built, copy, deliver, ended_well

pytestmark = pytest.mark.image
AARCH64 = 183
"""What an ELF file says of its machine (e_machine)."""
PROGRAM = {"ostiary": "usr/bin/python3.13", "ostiary-valkey": "usr/bin/valkey-check-rdb"}
"""The server of valkey is a link to this one."""


def test_both_images_are_built_for_arm64(checkout: Path, tmp_path: Path) -> None:
    folder = copy(checkout, tmp_path / "arm64")
    for name in NAMES:
        file = folder / "containers" / name / "container.toml"
        text = file.read_text().replace("packages = [", 'architecture = "arm64"\npackages = [', 1)
        # bytecode would need the image's Python to run; without it, Python compiles when it starts
        file.write_text(text.replace('python = "3.13"', 'python = "3.13"\nbytecode = false', 1))
    refused = deliver(folder, "build")
    assert refused.returncode == 1
    assert "the lock does not hold this architecture: lock again" in refused.stderr
    ended_well(deliver(folder, "lock", "--update-all"))
    ended_well(deliver(folder, "build"))
    for name in NAMES:
        layout = built(folder, name)
        assert json.loads(layout.image.config)["architecture"] == "arm64"
        assert machine(layout, PROGRAM[name]) == AARCH64
    bill = json.loads(ended_well(deliver(folder, "sbom", "ostiary")))
    assert any("?arch=arm64&" in one["purl"] for one in bill["components"])


def machine(layout: oci.Layout, path: str) -> int:
    for layer in layout.image.layers:
        with tarfile.open(fileobj=io.BytesIO(layout.blob(layer["digest"]))) as archive:
            if path in archive.getnames():
                file = archive.extractfile(path)
                assert file is not None
                return int(struct.unpack_from("<H", file.read(20), 18)[0])
    raise AssertionError(f"{path} is not in the image")
