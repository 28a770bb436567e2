"""Debian trixie's own Nix builds the images: the same digests as ours, and the same refusals. `make test-image`."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nix_house
import pytest
from nix_house import COPIED, REPOSITORY, House
from ostiary_delivery import build as building
from ostiary_delivery import definition, lockfile, oci, settings
from ostiary_delivery.cache import Cache
from ostiary_delivery.debian.version import upstream
from ostiary_delivery.errors import Stale
from ostiary_delivery.progress import Silent
from packaging.requirements import Requirement

pytestmark = pytest.mark.image
NAMES = ("ostiary", "ostiary-valkey")
VALKEY = definition.read(REPOSITORY, "ostiary-valkey").version
GIVEN = {"DELIVERY_INPUTS": "/work/inputs"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A checkout beside Nix, with `.venv` as `make image` makes it; locked anew, aloud, when packages are gone."""
    made = nix_house.make(tmp_path_factory.mktemp("nix"))
    for name in COPIED:
        if (REPOSITORY / name).is_dir():
            shutil.copytree(REPOSITORY / name, made.checkout / name, dirs_exist_ok=True)
        else:
            shutil.copy(REPOSITORY / name, made.checkout / name)
    shutil.copy(REPOSITORY / "requirements.txt", made.checkout)
    return made


@pytest.fixture(scope="module")
def digests(house: House) -> dict[str, str]:
    """What our own builder makes of the same checkout."""
    found = settings.load(os.environ)
    cache = Cache(found.cache, inputs=found.inputs)
    at = building.BuildContext(repository=house.checkout, settings=found, cache=cache, progress=Silent())

    def digest(name: str) -> str:
        return building.build(definition.read(house.checkout, name), at=at).image.digest

    try:
        return {name: digest(name) for name in NAMES}
    except Stale as gone:
        print(gone)  # noqa: T201 - a figure to read
        words = [sys.executable, "-m", "ostiary_delivery", "lock", "--update-all"]
        subprocess.run(words, cwd=house.checkout, check=True)
        return {name: digest(name) for name in NAMES}


@pytest.fixture(scope="module")
def inputs(house: House, digests: dict[str, str]) -> Path:
    """All locked files by their names, as somebody would carry them on a disk."""
    found = settings.load(os.environ)
    cache = Cache(found.cache, inputs=found.inputs)
    folder = house.work / "inputs"
    folder.mkdir()
    for name in NAMES:
        lock = lockfile.load(house.checkout / "containers" / name)
        for artifact in (one.artifact for part in (lock.debs, lock.wheels) for one in part):
            (folder / artifact.name).write_bytes(cache.read(artifact))
    return folder


@pytest.fixture(scope="module")
def archive(house: House, inputs: Path) -> Path:
    """The packages of valkey as an archive serves them."""
    folder = house.work / "archive"
    for one in lockfile.load(house.checkout / "containers/ostiary-valkey").debs:
        (folder / one.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(inputs / one.artifact.name, folder / one.path)
    return folder


@pytest.fixture
def fresh(house: House, tmp_path: Path) -> House:
    """The same checkout beside an empty store."""
    return dataclasses.replace(house, store=nix_house.new_store(tmp_path, "fresh"))


@pytest.fixture
def changed(house: House) -> Iterator[Callable[[str, str, str], None]]:
    """Change a file of the checkout for the time of one test."""
    before: dict[Path, str] = {}

    def change(name: str, old: str, new: str) -> None:
        path = house.checkout / name
        before.setdefault(path, path.read_text())
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    yield change
    for path, text in before.items():
        path.write_text(text)


@pytest.mark.parametrize("name", NAMES)
def test_nix_build_and_make_image_end_in_the_same_digest(
    house: House, digests: dict[str, str], inputs: Path, name: str
) -> None:
    result = house.built("nix-build", "--no-out-link", f"containers/{name}", **GIVEN)
    layout = oci.open_layout(result)
    assert layout.image.digest == digests[name]
    for one in layout.image.layers:
        layout.blob(one["digest"])


def test_the_flake_builds_the_same_and_asks_for_no_other(house: House, digests: dict[str, str], inputs: Path) -> None:
    place = "path:/work/checkout"
    words = ("nix", "build", "--no-link", "--print-out-paths", f"{place}#ostiary-valkey")
    result = house.built(*words, "--impure", "--no-write-lock-file", **GIVEN, DELIVERY_PYTHON="/work/python/bin/python")
    assert oci.open_layout(result).image.digest == digests["ostiary-valkey"]
    assert "no Python to run the builder with" in house.run(*words).stderr
    asked = 'lib: (lib.images { python = "/work/python/bin/python"; inputs = ""; }).ostiary.name'
    assert house.run("nix", "eval", "--raw", place + "#lib", "--apply", asked).stdout == "ostiary"


def test_a_python_of_the_store_becomes_an_input(fresh: House, inputs: Path) -> None:
    stored = fresh.run("nix-store", "--add", "/work/python").stdout.strip()
    words = ("nix-instantiate", "containers/ostiary-valkey", "--argstr", "python")
    drv = fresh.run(*words, f"{stored}/bin/python", **GIVEN).stdout.strip()
    assert stored in fresh.run("nix-store", "-q", "--references", drv).stdout.split()
    assert fresh.run("nix-store", "--realise", drv).returncode == 0
    wrong = fresh.run(*words, f"{stored.replace('-python', '-other')}/bin/python", **GIVEN)
    assert "is not valid" in wrong.stderr or "does not exist" in wrong.stderr


def test_files_that_are_not_given_are_fetched_and_fixed(
    fresh: House, digests: dict[str, str], archive: Path, inputs: Path
) -> None:
    fresh.shown = "/work/archive /work/inputs"
    places = {"DELIVERY_ARCHIVE": "file:///work/archive", "DELIVERY_SECURITY_ARCHIVE": "file:///work/archive"}
    result = fresh.built("nix-build", "--no-out-link", "containers/ostiary-valkey", **places)
    assert oci.open_layout(result).image.digest == digests["ostiary-valkey"]
    drv = fresh.run("nix-instantiate", "containers/ostiary").stdout.strip()
    wheels = [one for one in fresh.run("nix-store", "-q", "--references", drv).stdout.split() if "segno" in one]
    wheel = fresh.built("nix-store", "--realise", *wheels, PIP_NO_INDEX="1", PIP_FIND_LINKS="/work/inputs")
    assert wheel.read_bytes() == next(inputs.glob("segno-*.whl")).read_bytes()


def test_other_bytes_are_refused_by_name(fresh: House, archive: Path, inputs: Path) -> None:
    fresh.shown = "/work/archive"
    lock = lockfile.load(fresh.checkout / "containers/ostiary-valkey")
    wanted = next(one for one in lock.debs if one.name == "libcap2")
    given, served = inputs / wanted.artifact.name, archive / wanted.path
    right = given.read_bytes()
    wrong = right[:-1] + bytes([right[-1] ^ 1])
    places = {"DELIVERY_ARCHIVE": "file:///work/archive", "DELIVERY_SECURITY_ARCHIVE": "file:///work/archive"}
    try:
        # what is given is refused while the derivation is evaluated, what is fetched when it comes
        for path, word, more in ((given, "nix-instantiate", GIVEN), (served, "nix-build", places)):
            path.write_bytes(wrong)
            ended = fresh.run(word, "containers/ostiary-valkey", **more)
            path.write_bytes(right)
            assert ended.returncode != 0
            assert f"{wanted.artifact.name} is not what was" in ended.stderr
            assert wanted.sha256 in ended.stderr
    finally:
        given.write_bytes(right)
        served.write_bytes(right)
    assert not list(fresh.store.glob("store/*-ostiary-valkey"))


@pytest.mark.parametrize(
    ("name", "edit", "said"),
    [
        (
            "ostiary-valkey",
            ("containers/ostiary-valkey/container.lock", f'"version": "{VALKEY}', '"version": "99.0'),
            "version drift: valkey-server is packaged as 99.0",
        ),
        (
            "ostiary-valkey",
            ("containers/ostiary-valkey/default.nix", f'"{VALKEY}"', '"99.0"'),
            f"default.nix says version 99.0, and container.toml {VALKEY}",
        ),
        (
            "ostiary",
            ("src/ostiary/__init__.py", '__version__ = "', '__version__ = "9.'),
            "version drift: ostiary is packaged as 9.",
        ),
        (
            "ostiary",
            ("containers/ostiary/container.toml", 'equals = "', 'equals = "9.'),
            ": raise its equals in container.toml",
        ),
    ],
)
def test_a_version_that_moved_alone_breaks_the_evaluation(
    house: House, changed: Callable[[str, str, str], None], name: str, edit: tuple[str, str, str], said: str
) -> None:
    assert house.run("nix-instantiate", f"containers/{name}", **GIVEN).returncode == 0
    changed(*edit)
    ended = house.run("nix-instantiate", f"containers/{name}", **GIVEN)
    assert ended.returncode != 0
    assert said in ended.stderr
    assert f"containers/{name}: " in ended.stderr


def test_nix_reads_debian_versions_as_we_do(house: House) -> None:
    versions = ["1:7.0~rc1+dfsg-1", "1.0+ds1+dfsg2-1", "1.3.dfsg+really1.3.1-1", "5", "1-2-3~repack-4"]
    versions += [one.version for name in NAMES for one in lockfile.load(REPOSITORY / "containers" / name).debs]
    expression = "{ text }: map (import ./delivery/nix/versions.nix).upstream (builtins.fromJSON text)"
    ended = evaluated(house, expression, text=json.dumps(versions))
    assert ended == [upstream(one) for one in versions]


def test_the_module_makes_a_service_that_the_server_understands(house: House) -> None:
    """Evaluated with stubs in place of NixOS: what its options become, not what NixOS makes of it."""
    declared = (REPOSITORY / "pyproject.toml").read_text()
    needed = sorted(Requirement(one).name for one in tomllib.loads(declared)["project"]["dependencies"])
    given = {
        "enable": True,
        "settings": {"hosts": "id.example.org", "listen": {"trusted_proxy_cidrs": "10.0.0.0/8"}},
        "secrets": {"OSTIARY_SECRET_KEY": "/run/keys/ostiary"},
        "environmentFile": "/etc/ostiary.env",
        "dataDir": "/srv/ostiary",
        "listen": {"http": "0.0.0.0:9001"},
        "openFirewall": True,
    }
    found = module(house, given, needed)
    unit = found["systemd"]["services"]["ostiary"]
    assert found["networking"]["firewall"]["allowedTCPPorts"] == [9001]
    assert found["systemd"]["tmpfiles"]["rules"] == ["d /srv/ostiary 0700 ostiary ostiary -"]
    service = unit["serviceConfig"]
    assert service["ExecStart"].endswith("/bin/ostiary serve")
    assert (service["User"], service["ReadWritePaths"]) == ("ostiary", ["/srv/ostiary"])
    assert service["EnvironmentFile"] == ["/etc/ostiary.env"]
    assert service["LoadCredential"] == ["OSTIARY_SECRET_KEY:/run/keys/ostiary"]
    assert unit["environment"]["OSTIARY_SECRET_KEY"] == "file://%d/OSTIARY_SECRET_KEY"
    assert service["ProtectSystem"] == "strict"
    path = house.store / unit["environment"]["OSTIARY_CONFIG"].removeprefix("/nix/")
    shown = subprocess.run(
        [Path(sys.executable).with_name("ostiary"), "settings"],
        env={"OSTIARY_CONFIG": str(path), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name, value in {
        "OSTIARY_LISTEN__HTTP": "0.0.0.0:9001",
        "OSTIARY_LISTEN__HTTPS": "off",
        "OSTIARY_DATA_DIR": "/srv/ostiary",
        "OSTIARY_HOSTS": "id.example.org",
        "OSTIARY_LISTEN__TRUSTED_PROXY_CIDRS": "10.0.0.0/8",
    }.items():
        assert f"{name}\t{value}\tfile" in shown
    assert module(house, {}, needed) == {}
    package = module(house, {}, needed, part="package")
    assert sorted(package["dependencies"]) == [f"python-{one}" for one in needed]
    assert package["version"] == definition.read(REPOSITORY, "ostiary").version


def module(house: House, given: object, packages: list[str], part: str = "config") -> Any:
    expression = (
        "{ text, packages, part }: (import ./delivery/tests/nixos_stubs.nix { given = builtins.fromJSON text; "
        "packages = builtins.fromJSON packages; module = ./deploy/nix/module.nix; }).${part}"
    )
    return evaluated(house, expression, text=json.dumps(given), packages=json.dumps(packages), part=part)


def evaluated(house: House, expression: str, **given: str) -> Any:
    words = ["nix-instantiate", "--eval", "--strict", "--json", "--read-write-mode", "-E", expression]
    for name, value in given.items():
        words += ["--argstr", name, value]
    ended = house.run(*words)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)
