"""A root with Debian trixie's own Nix, entered as an ordinary user without capabilities; each store begins empty.

Builders run in Nix's own sandbox, where they see the programs of the root, what the builder needs, their inputs, and no
network; where the kernel has none for an ordinary user, they run without, and it is said.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ostiary_delivery import settings
from ostiary_delivery.python.download import platforms
from ostiary_delivery.python.requirements import Target

PROGRAMS = "nix-bin,coreutils,bash,python3"
CONFIG = "build-users-group =\nsubstitute = false\nexperimental-features = nix-command flakes\nmax-jobs = 2\n"
OPEN = "sandbox = false\n"
CLOSED = "sandbox = true\nsandbox-fallback = false\nextra-sandbox-paths = {} {}\n"
SHOWN = "/usr /lib=/usr/lib /lib64=/usr/lib64 /work/python /work/checkout/.venv=/work/python"
PROBE = """derivation {
  name = "probe"; system = "x86_64-linux"; builder = "/usr/bin/bash"; args = [ "-c" "echo yes > $out" ];
}"""
REPOSITORY = Path(__file__).resolve().parents[2]
COPIED = ("containers", "delivery", "deploy", "src", "flake.nix", "pyproject.toml", "README.md", "LICENSE")


@dataclass
class House:
    """`root` is the tool root; what it calls /work is `work` here, and /nix is `store`.

    `shown` are more folders that builders see, with Nix's sandbox or without.
    """

    root: Path
    store: Path
    sandboxed: bool = True
    shown: str = ""

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def checkout(self) -> Path:
        return self.work / "checkout"

    @property
    def config(self) -> str:
        return CONFIG + (CLOSED.format(SHOWN, self.shown) if self.sandboxed else OPEN)

    def run(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        line = ["bwrap", "--unshare-user", "--uid", "1234", "--gid", "1234", "--cap-drop", "ALL", "--die-with-parent"]
        line += ["--bind", str(self.root), "/", "--bind", str(self.store), "/nix", "--dev", "/dev"]
        # bubblewrap's own /proc has covered parts, and the kernel lets no sandbox inside it have a better one
        line += ["--bind", "/proc", "/proc", "--tmpfs", "/tmp", "--chdir", "/work/checkout", "--clearenv"]
        known = {"PATH": "/usr/bin", "HOME": "/tmp", "NIX_REMOTE": "local", "NIX_CONFIG": self.config}
        for name, value in (known | environ).items():
            line += ["--setenv", name, value]
        return subprocess.run([*line, *words], capture_output=True, text=True, timeout=600, check=False)

    def built(self, *words: str, **environ: str) -> Path:
        """Where the folder that a build made lies for us."""
        ended = self.run(*words, **environ)
        assert ended.returncode == 0, ended.stderr
        return self.store / ended.stdout.strip().removeprefix("/nix/")


def make(folder: Path) -> House:
    """Bring Nix from Debian's archive and, for Python 3.13, what the builder needs from the locks."""
    root = folder / "root"
    archive = settings.load(os.environ).archive_url("trixie")
    words = ["mmdebstrap", "--quiet", "--variant=extract", f"--include={PROGRAMS}", "trixie", f"{root}.tar", archive]
    subprocess.run(words, check=True)
    root.mkdir()
    subprocess.run(["tar", "xf", f"{root}.tar", "-C", str(root), "--exclude=./dev/*"], check=True)
    for name in ("bin", "lib", "lib64", "sbin"):
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    for name in ("proc", "dev", "tmp", "nix", "work/checkout"):
        (root / name).mkdir(parents=True, exist_ok=True)
    house = House(root=root, store=new_store(folder, "first"))
    made = house.run("python3", "-m", "venv", "--without-pip", "/work/python")
    assert made.returncode == 0, made.stderr
    _bring_packages(house.work / "python/lib/python3.13/site-packages")
    (house.checkout / ".venv").symlink_to("../python")
    house.sandboxed = house.run("nix-build", "--no-out-link", "-E", PROBE).returncode == 0
    print(f"Nix's own sandbox: {house.sandboxed}")  # noqa: T201 - a figure to read
    return house


def new_store(folder: Path, name: str) -> Path:
    store = folder / "stores" / name
    store.mkdir(parents=True)
    return store


def _bring_packages(target: Path) -> None:
    line = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(target)]
    line += ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--python-version", "3.13"]
    for platform in platforms(Target(python="3.13", architecture="amd64", glibc="2.41")):
        line += ["--platform", platform]
    for name in ("requirements.txt", "requirements-delivery.txt"):
        line += ["--requirement", str(REPOSITORY / name)]
    subprocess.run(line, check=True)
