"""Runs what an image holds as a container runtime would: its user, its environment, a read-only root, a fresh /tmp."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ostiary_delivery.oci import Layout


@dataclass
class Sandbox:
    """An unpacked image. Volumes map a path in the image to a folder here."""

    layout: Layout
    root: Path
    volumes: Mapping[str, Path] = field(default_factory=dict)

    def unpack(self) -> None:
        self.root.mkdir()
        for layer in self.layout.image.layers:
            with tarfile.open(fileobj=io.BytesIO(self.layout.blob(layer["digest"]))) as archive:
                archive.extractall(self.root, filter="fully_trusted")  # noqa: S202 - our own layer, checked by digest

    @property
    def config(self) -> dict[str, list[str]]:
        return json.loads(self.layout.image.config)["config"]

    def command(self, words: Sequence[str], environment: Mapping[str, str]) -> list[str]:
        user, _, group = str(self.config["User"]).partition(":")
        line = ["setpriv", "--reuid", user, "--regid", group, "--clear-groups"] if os.getuid() == 0 else []
        line += ["bwrap", "--unshare-user", "--unshare-pid", "--die-with-parent", "--clearenv", "--cap-drop", "ALL"]
        line += ["--ro-bind", str(self.root), "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
        for inside, outside in self.volumes.items():
            line += ["--bind", str(outside), inside]
        for name, _, value in (one.partition("=") for one in self.config["Env"]):
            line += ["--setenv", name, environment.get(name, value)]
        for name, value in environment.items():
            line += ["--setenv", name, value]
        return [*line, *self.config["Entrypoint"], *words]

    def run(self, *words: str, environment: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(words, environment), capture_output=True, text=True, timeout=60, check=False)

    def start(self, *words: str, environment: Mapping[str, str] = {}) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.command(words, environment), stdout=subprocess.DEVNULL)
