"""What a push of the real images costs, counted by somebody else: a door before a real registry, and its disk."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from counting import counting
from ostiary_delivery import difference, oci
from ostiary_delivery.errors import Refusal
from ostiary_delivery.registry import Place, Registry
from real_images import TAG, Layouts, Shop, built, copy, deliver, ended_well

pytestmark = pytest.mark.image
LITTLE = 16 * 1024
"""Bytes beside a layer that moved: the configuration and the manifest."""
TIMES = 50
ONE_LAYER = "\n[layers]\nsmallest = 1000000000\n"
"""What makes all wheels share one layer, as if a whole virtual environment were copied into an image."""


def pushed(shop: Shop, layout: oci.Layout, name: str, tag: str) -> int:
    """Push, and return the bytes that went through the door; the registry must have stored as many."""
    before = shop.stored()
    with counting(shop.port) as counter:
        sent = Registry(Place.parse(f"127.0.0.1:{counter.port}/house/{name}")).push(layout, tag)
    assert sent.total == counter.received
    assert shop.stored() - before == counter.received
    return counter.received


def test_a_tag_is_never_moved_and_an_equal_push_sends_nothing(
    shop: Shop, layouts: Layouts, pulled: Layouts, place: str
) -> None:
    assert pushed(shop, layouts["ostiary"], "ostiary", TAG["ostiary"]) == 0
    registry = Registry(Place.parse(f"{place}/ostiary"))
    with pytest.raises(Refusal, match=r"a tag is never moved"):
        registry.push(layouts["ostiary-valkey"], TAG["ostiary"])


def test_promotion_of_an_equal_image_sends_no_layer(
    shop: Shop, checkout: Path, layouts: Layouts, pulled: Layouts
) -> None:
    before = shop.stored()
    with counting(shop.port) as counter:
        place = f"127.0.0.1:{counter.port}/house/ostiary"
        said = ended_well(
            deliver(checkout, "promote", "ostiary", place, "--from", TAG["ostiary"], "--tag", "v0.1.0-fedcba9")
        )
    assert ": 0 blobs," in said
    assert counter.received == len(layouts["ostiary"].image.manifest)
    assert shop.stored() == before


def test_one_changed_line_sends_our_layer_and_little_more(
    shop: Shop, checkout: Path, layouts: Layouts, pulled: Layouts, tmp_path: Path
) -> None:
    folder = copy(checkout, tmp_path / "changed")
    with (folder / "src/ostiary/__init__.py").open("a") as file:
        file.write("\n# one more line\n")
    ended_well(deliver(folder, "build", "ostiary"))
    after = built(folder, "ostiary")
    sent = pushed(shop, after, "ostiary", "v0.1.0-1234567")
    own = int(after.image.layers[-1]["size"])
    print(f"one changed line sends {sent} bytes, {own} of them our layer")  # noqa: T201 - a figure to read
    assert sent == difference.predicted(layouts["ostiary"], after)
    said = ended_well(
        deliver(folder, "diff", str(layouts["ostiary"].folder), str(folder / "dist/images/ostiary"))
    ).splitlines()
    assert said[-1] == f"a push sends {sent} bytes to a registry that has the first"
    assert sent <= own + LITTLE


def test_a_dependency_that_moved_costs_a_fiftieth_of_one_layer_with_all(
    shop: Shop, checkout: Path, layouts: Layouts, pulled: Layouts, tmp_path: Path
) -> None:
    """segno, a wheel in pure Python, goes back by a version; the same move is made in an image with one layer for all."""
    folder = copy(checkout, tmp_path / "moved")
    move(folder / "requirements.txt", "segno", "1.6.1", tmp_path / "wheels")
    said = ended_well(deliver(folder, "lock", "ostiary", "--update", "segno"))
    assert "segno" in said
    ended_well(deliver(folder, "build", "ostiary"))
    after = built(folder, "ostiary")
    sent = pushed(shop, after, "ostiary", "v0.1.0-2345678")
    assert sent == difference.predicted(layouts["ostiary"], after)
    moved = [layer for layer in after.image.layers if layer not in layouts["ostiary"].image.layers]
    assert sent <= sum(int(layer["size"]) for layer in moved) + LITTLE
    together = []
    for number, origin in enumerate((checkout, folder)):
        one = copy(origin, tmp_path / f"together-{number}")
        with (one / "containers/ostiary/container.toml").open("a") as file:
            file.write(ONE_LAYER)
        ended_well(deliver(one, "build", "ostiary"))
        together.append(pushed(shop, built(one, "ostiary"), "ostiary", f"v0.1.0-345678{number}"))
    print(  # noqa: T201 - a figure to read
        f"segno 1.6.1 sends {sent} bytes; in one layer with all dependencies {together[1]}, {together[1] / sent:.0f} x"
    )
    assert together[1] >= TIMES * sent


def move(requirements: Path, name: str, version: str, wheels: Path) -> None:
    """Pin another version of a package, with the hash of its wheel as pip brings it."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(wheels)]
    subprocess.run([*command, f"{name}=={version}"], check=True)
    (wheel,) = wheels.iterdir()
    hashed = subprocess.run(
        [sys.executable, "-m", "pip", "hash", "--algorithm", "sha256", str(wheel)],
        check=True,
        capture_output=True,
        text=True,
    )
    text = requirements.read_text()
    pin = f"{name}=={version} \\\n    {hashed.stdout.split()[-1]}\n"
    changed = re.sub(rf"^{name}==.*\n(?:    --hash.*\n)+", lambda _: pin, text, flags=re.MULTILINE)
    assert changed != text
    requirements.write_text(changed)
