"""Fixtures of `make test-image`: the real images, built once, pushed to a real registry and pulled from it again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ostiary_delivery import oci, settings
from ostiary_delivery.registry import Place, Registry
from processes import ended
from support.ports import free_port
from support.waiting import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "ostiary_delivery"]
NAMES = ("ostiary", "ostiary-valkey")
TAG = {"ostiary": "v0.1.0-0123456", "ostiary-valkey": "v8.1.1-0123456"}
STALE = 3
Layouts = dict[str, oci.Layout]
"""The images by their names."""


def copy(source: Path, target: Path) -> Path:
    """Copy what belongs to the images."""
    target.mkdir(parents=True, exist_ok=True)
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements.txt", "service-versions.yaml"):
        shutil.copy(source / name, target / name)
    for name in ("src", "containers"):
        shutil.copytree(source / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def deliver(
    folder: Path, *words: str, prefix: tuple[str, ...] = (), **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run one command of ours in a checkout."""
    command = [*prefix, *COMMAND, *words]
    return subprocess.run(command, cwd=folder, env=os.environ | environ, capture_output=True, text=True, check=False)


def ended_well(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a command said, which must have ended well."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built(folder: Path, name: str) -> oci.Layout:
    return oci.open_layout(folder / "dist/images" / name)


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what belongs to the images; locked anew, aloud, when the lock's packages are gone."""
    folder = copy(REPOSITORY, tmp_path_factory.mktemp("checkout") / "here")
    tried = deliver(folder, "build")
    if tried.returncode == STALE:
        print(tried.stderr)  # noqa: T201 - a figure to read
        moved = deliver(folder, "lock", "--update-all")
        print(moved.stdout, moved.stderr)  # noqa: T201 - a figure to read
        tried = deliver(folder, "build")
    assert tried.returncode == 0, tried.stderr
    return folder


@pytest.fixture(scope="session")
def layouts(checkout: Path) -> Layouts:
    return {name: built(checkout, name) for name in NAMES}


@dataclass(frozen=True)
class Shop:
    """A running docker-registry, and the folder it keeps things in."""

    port: int
    data: Path

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}/house"

    def stored(self) -> int:
        """How many bytes of blobs and manifests the registry has on its disk."""
        return sum(path.stat().st_size for path in self.data.glob("docker/registry/v2/blobs/sha256/*/*/data"))


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("registry")
    port = free_port()
    (folder / "config.yml").write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    command = ["docker-registry", "serve", str(folder / "config.yml")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers() -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=2) as answer:
            return int(answer.status) == 200

    wait_until(answers)
    yield Shop(port, folder / "data")
    process.terminate()
    ended(process)


@pytest.fixture(scope="session")
def place(shop: Shop) -> str:
    return shop.place


@pytest.fixture(scope="session")
def pulled(layouts: Layouts, place: str, tmp_path_factory: pytest.TempPathFactory) -> Layouts:
    """Both images as another client, skopeo, brings them back from the registry."""
    folder = tmp_path_factory.mktemp("pulled")
    for name, layout in layouts.items():
        sent = Registry(Place.parse(f"{place}/{name}")).push(layout, TAG[name])
        assert sent.total == layout.image.size
        command = ["skopeo", "copy", "--quiet", "--preserve-digests", "--src-tls-verify=false"]
        subprocess.run([*command, f"docker://{place}/{name}:{TAG[name]}", f"oci:{folder}/{name}"], check=True)
    return {name: oci.open_layout(folder / name) for name in layouts}


@pytest.fixture(scope="session")
def roots() -> Iterator[Path]:
    """A folder that the image's user may enter, which pytest's own are not."""
    folder = Path("/var/tmp") / f"ostiary-image-{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Debian trixie's own cosign and skopeo: judges that nobody here wrote."""
    root = tmp_path_factory.mktemp("tools") / "root"
    archive = settings.load(os.environ).archive_url("trixie")
    make = ["mmdebstrap", "--quiet", "--variant=extract", "--include=cosign,skopeo", "trixie", f"{root}.tar", archive]
    subprocess.run(make, check=True)
    root.mkdir()
    subprocess.run(["tar", "xf", f"{root}.tar", "-C", str(root), "--exclude=./dev/*"], check=True)
    Path(f"{root}.tar").unlink()
    for name in ("bin", "lib", "lib64", "sbin"):
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    for name in ("proc", "dev", "tmp", "work/registries"):
        (root / name).mkdir(parents=True, exist_ok=True)
    return root
