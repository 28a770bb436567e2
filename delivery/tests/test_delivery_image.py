"""The real images: what is inside, the same digest for everybody, the same bytes after a registry had them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from ostiary_delivery import audit, contents
from real_images import REPOSITORY, Layouts, built, copy, deliver, ended_well

pytestmark = pytest.mark.image
BOUNDS = {"ostiary": 62 * 2**20, "ostiary-valkey": 17 * 2**19}
"""Bytes, compressed. 17 MiB of Ostiary's are what runs administrators' expressions, 3 MiB passkeys and passwords."""


def test_sizes_are_within_their_bounds(layouts: Layouts) -> None:
    for name, layout in layouts.items():
        print(  # noqa: T201 - a figure to read
            f"{name}: {layout.image.size / 2**20:.1f} MiB in {len(layout.image.layers)} layers, {layout.image.digest}"
        )
        assert layout.image.size <= BOUNDS[name]


def test_nothing_is_inside_that_must_not_be(layouts: Layouts) -> None:
    for layout in layouts.values():
        found = {
            str(one["digest"]): contents.read(layout.blob(one["digest"]), name="").files for one in layout.image.layers
        }
        assert audit.validate_layers(found) == []


def test_another_user_in_another_folder_gets_the_same_digest(checkout: Path, layouts: Layouts, tmp_path: Path) -> None:
    folder = copy(checkout, tmp_path / "a place with spaces")
    # a user namespace without any capability, where the process is an ordinary user and all else is read-only
    prefix: tuple[str, ...] = (
        "bwrap",
        "--unshare-user",
        "--uid",
        "1234",
        "--gid",
        "1234",
        "--ro-bind",
        "/",
        "/",
        "--dev",
        "/dev",
    )
    prefix = (*prefix, "--bind", str(tmp_path), str(tmp_path), "--tmpfs", "/run")
    cache = Path(os.environ.get("HOME", "/")) / ".cache/ostiary-delivery"
    begun = time.monotonic()
    ended_well(
        deliver(
            folder,
            "build",
            prefix=prefix,
            TZ="Asia/Tokyo",
            PYTHONHASHSEED="7",
            TMPDIR=str(tmp_path),
            DELIVERY_CACHE=str(tmp_path / "cache"),
            DELIVERY_INPUTS=str(cache),
        )
    )
    print(f"cold build of both: {time.monotonic() - begun:.1f} s")  # noqa: T201 - a figure to read
    for name, layout in layouts.items():
        assert built(folder, name).image.digest == layout.image.digest


def test_what_is_pulled_is_what_was_pushed(layouts: Layouts, pulled: Layouts) -> None:
    assert {name: one.image.digest for name, one in pulled.items()} == {
        name: one.image.digest for name, one in layouts.items()
    }


def test_the_five_places_agree(checkout: Path, layouts: Layouts) -> None:
    """With the images built, so that the packages inside are looked at as well."""
    ended_well(deliver(checkout, "check"))
    declared = REPOSITORY / "containers/ostiary/container.toml"
    moved = checkout / "containers/ostiary/container.toml"
    text = declared.read_text()
    moved.write_text(text.replace('version = "0.1.0"', 'version = "0.1.1"', 1))
    try:
        refused = deliver(checkout, "check")
    finally:
        moved.write_text(text)
    assert refused.returncode == 1
    assert "service-versions.yaml:" in refused.stderr
    assert "dist/images/ostiary:1: the image says it is 0.1.0" in refused.stderr
