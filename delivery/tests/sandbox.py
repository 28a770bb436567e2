"""Runs what an image holds in bubblewrap: its user, its environment, a read-only root, a fresh /tmp, no rights.

It has what `runtimes` has too, so that one test speaks to all of them.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ostiary_delivery.oci import Layout
from processes import as_nobody, owned

# Python 3.11 knows the word only since 3.11.4, and without it does the same.
TRUSTED: Final[dict[str, Any]] = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}


@dataclass
class Sandbox:
    """An unpacked image. Volumes map a path in the image to a folder here."""

    layout: Layout
    root: Path
    volumes: Mapping[str, Path] = field(default_factory=dict)

    def unpack(self) -> None:
        unpack(self.layout, self.root)

    def volume(self, name: str) -> Path:
        """Make a volume that the image's user may write to."""
        return owned(self.root.with_name(f"{self.root.name}-{name}"))

    def command(self, words: Sequence[str], environment: Mapping[str, str]) -> list[str]:
        config = config_of(self.layout)
        as_user = as_nobody()
        assert not as_user or config["User"] == "65534:65534"
        line = [*as_user, "bwrap", "--unshare-user", "--unshare-pid", "--die-with-parent", "--clearenv"]
        line += ["--cap-drop", "ALL", "--ro-bind", str(self.root), "/", "--proc", "/proc", "--dev", "/dev"]
        line += ["--tmpfs", "/tmp"]
        for inside, outside in self.volumes.items():
            line += ["--bind", str(outside), inside]
        for name, value in environment_of(config, environment).items():
            line += ["--setenv", name, value]
        return [*line, *config["Entrypoint"], *(words or config["Cmd"])]

    def run(self, *words: str, environment: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(words, environment), capture_output=True, text=True, timeout=180, check=False
        )

    def start(self, *words: str, environment: Mapping[str, str] = {}) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.command(words, environment), stdout=subprocess.DEVNULL)


def config_of(layout: Layout) -> dict[str, Any]:
    """What an image asks of whatever runs it."""
    return dict(json.loads(layout.image.config)["config"])


def environment_of(config: Mapping[str, Any], more: Mapping[str, str]) -> dict[str, str]:
    """The image's variables, and those that are set for this run."""
    pairs = (one.partition("=") for one in config["Env"])
    return {name: value for name, _, value in pairs} | dict(more)


def unpack(layout: Layout, root: Path) -> None:
    """Lay the files of an image into a folder, as a runtime does."""
    root.mkdir()
    for layer in layout.image.layers:
        with tarfile.open(fileobj=io.BytesIO(layout.blob(layer["digest"]))) as archive:
            archive.extractall(root, **TRUSTED)  # noqa: S202 - our own layer, checked by digest
    assert os.path.lexists(root / "etc/passwd")
