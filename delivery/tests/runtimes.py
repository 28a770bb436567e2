"""Real container runtimes: runc as root, and podman as an ordinary user who has nothing but subordinate ids.

Both give an image what a careful cluster does: its own user, a read-only root, no capability, no new privileges. Podman
pulls from the registry itself. Where the tests run as root, its ordinary user exists in a mount namespace alone: the
machine's own list of users is never touched.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ostiary_delivery.oci import Layout
from processes import owned
from sandbox import config_of, environment_of, unpack

ORDINARY = 61234
SUBORDINATE = 700_000
NUMBERS = itertools.count(1)
ENTER = """
set -e
folder=$1
shift
for name in passwd group subuid subgid; do mount --bind "$folder/etc/$name" "/etc/$name"; done
exec setpriv --reuid $ORDINARY --regid $ORDINARY --clear-groups env -i HOME="$folder/home" \
  XDG_RUNTIME_DIR="$folder/run" PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
""".replace("$ORDINARY", str(ORDINARY))
NAMESPACES = ("pid", "ipc", "uts", "mount")


@dataclass
class Runc:
    """An unpacked image under runc. It shares the machine's network, or has one of its own (`lonely`)."""

    layout: Layout
    root: Path
    volumes: Mapping[str, Path] = field(default_factory=dict)
    lonely: bool = False

    def unpack(self) -> None:
        self.root.mkdir()
        unpack(self.layout, self.root / "rootfs")

    def volume(self, name: str) -> Path:
        return owned(self.root.with_name(f"{self.root.name}-{name}"))

    def run(self, *words: str, environment: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
        command = self.command(self.bundle(words, environment))
        return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)

    def start(self, *words: str, environment: Mapping[str, str] = {}) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.command(self.bundle(words, environment)), stdout=subprocess.DEVNULL)

    def inside(self, bundle: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one more program in a running container."""
        command = [*self.program, "exec", bundle.name, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)

    @property
    def program(self) -> list[str]:
        return ["runc", "--root", str(self.root / "state")]

    def command(self, bundle: Path) -> list[str]:
        return [*self.program, "run", "--bundle", str(bundle), bundle.name]

    def bundle(self, words: Sequence[str], environment: Mapping[str, str]) -> Path:
        """Write what the OCI runtime specification calls a bundle; its name is the container's."""
        folder = self.root / f"house-{os.getpid()}-{next(NUMBERS)}"
        folder.mkdir()
        made = subprocess.run(["runc", "spec"], cwd=folder, check=False)
        assert made.returncode == 0
        spec = json.loads((folder / "config.json").read_text())
        config = config_of(self.layout)
        user, _, group = config["User"].partition(":")
        spec["process"] |= {
            "terminal": False,
            "user": {"uid": int(user), "gid": int(group)},
            "args": [*config["Entrypoint"], *(words or config["Cmd"])],
            "env": [f"{name}={value}" for name, value in environment_of(config, environment).items()],
            "capabilities": {},
            "rlimits": [],
            "noNewPrivileges": True,
        }
        spec["root"] = {"path": str(self.root / "rootfs"), "readonly": True}
        spec["mounts"].append(
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]}
        )
        for inside, outside in self.volumes.items():
            bound = {"destination": inside, "type": "bind", "source": str(outside), "options": ["rbind", "rw"]}
            spec["mounts"].append(bound)
        names = (*NAMESPACES, *(("network",) if self.lonely else ()))
        spec["linux"]["namespaces"] = [{"type": name} for name in names]
        (folder / "config.json").write_text(json.dumps(spec))
        return folder


@dataclass
class Podman:
    """An image that rootless podman pulled; volumes map a path to the name of one of its own, or to a folder."""

    image: str
    folder: Path
    volumes: Mapping[str, str | Path] = field(default_factory=dict)

    @classmethod
    def prepare(cls, folder: Path) -> Path:
        """Make the house of an ordinary user. An ordinary user who runs the tests is one, and needs only a folder."""
        for name in ("etc", "home", "run"):
            (folder / name).mkdir(parents=True)
        (folder / "run").chmod(0o700)
        if os.getuid() == 0:
            for name, line in (
                ("passwd", f"ordinary:x:{ORDINARY}:{ORDINARY}::{folder}/home:/bin/sh"),
                ("group", f"ordinary:x:{ORDINARY}:"),
            ):
                (folder / "etc" / name).write_text(Path("/etc", name).read_text() + line + "\n")
            for name in ("subuid", "subgid"):
                (folder / "etc" / name).write_text(f"ordinary:{SUBORDINATE}:65536\n")
            for name in ("home", "run"):
                os.chown(folder / name, ORDINARY, ORDINARY)
        # older kernels let no ordinary user stack folders; then each layer is a copy of all below it
        (folder / "driver").write_text("overlay")
        if subprocess.run(cls("", folder).podman("info"), cwd="/", capture_output=True, check=False).returncode:
            shutil.rmtree(folder / "home/.local", ignore_errors=True)
            (folder / "driver").write_text("vfs")
        return folder

    def podman(self, *words: str) -> list[str]:
        if os.getuid() == 0:
            enter = ["unshare", "--mount", "sh", "-c", ENTER, "sh", str(self.folder)]
        else:
            own = {"HOME": self.folder / "home", "XDG_RUNTIME_DIR": self.folder / "run", "PATH": os.environ["PATH"]}
            enter = ["env", "-i", *(f"{name}={value}" for name, value in own.items())]
        driver = (self.folder / "driver").read_text()
        return [*enter, "podman", "--storage-driver", driver, "--runtime", "runc", *words]

    def ask(self, *words: str) -> str:
        command = self.podman(*words)
        ended = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=300, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    def unpack(self) -> None:
        self.ask("pull", "--quiet", "--tls-verify=false", self.image)

    def volume(self, name: str) -> str:
        """Make a volume of podman's own: it takes owner and mode from the image's folder."""
        return self.ask("volume", "create", f"{name}-{next(NUMBERS)}")

    def command(self, words: Sequence[str], environment: Mapping[str, str]) -> list[str]:
        line = ["run", "--rm", "--ulimit=host", "--network=host", "--read-only", "--cap-drop=all"]
        line += ["--security-opt=no-new-privileges", "--pull=never"]
        for inside, outside in self.volumes.items():
            line += ["--volume", f"{outside}:{inside}"]
        for name, value in environment.items():
            line += ["--env", f"{name}={value}"]
        return self.podman(*line, self.image, *words)

    def run(self, *words: str, environment: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
        command = self.command(words, environment)
        return subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=180, check=False)

    def start(self, *words: str, environment: Mapping[str, str] = {}) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.command(words, environment), cwd="/", stdout=subprocess.DEVNULL)

    def clear(self) -> None:
        """Remove what podman made: only its own user namespace may remove files of subordinate users."""
        self.ask("system", "reset", "--force")
