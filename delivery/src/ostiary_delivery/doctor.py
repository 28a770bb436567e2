"""`ostiary-delivery doctor`: what this machine can do, and what it cannot. Changes nothing."""

from __future__ import annotations

import http.client
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from ostiary_delivery import cache, compress
from ostiary_delivery.errors import BadDefinition, Refusal
from ostiary_delivery.registry import Place
from ostiary_delivery.settings import Settings

PATIENCE: Final = 15  # seconds for the index, and for a registry
SMALL: Final = 4 * 1024 * 1024  # bytes; an archive's list of files is far below
SUITE: Final = {"package archive": "stable", "security archive": "stable-security"}
SIGNS: Final = {True: "yes", False: "no", None: "?"}

TESTED: Final = ("bwrap", "runc", "podman", "newuidmap", "docker-registry", "skopeo", "mmdebstrap", "gpg")

# What a machine can do, and the programs of which one is enough, or all are needed.
ABILITIES: Final = (
    ("lock", "all", ("gpgv",), "choose packages: verifies archives"),
    ("tag", "all", ("git",), "name the commit in a tag; build works without"),
    ("run", "one", ("podman", "runc", "docker", "nerdctl", "bwrap"), "run an image; bwrap runs what it holds"),
    ("verify", "all", ("cosign",), "verify signatures; making them needs nothing"),
    ("copy", "one", ("skopeo", "oras"), "copy images; push and promote need neither"),
    ("render", "one", ("kubectl", "kustomize"), "render, pin, secrets init: nothing is applied"),
    ("apply", "all", ("kubectl",), "apply manifests; whether a cluster answers is not asked"),
    ("nix", "all", ("nix-build",), "build the same image as a derivation"),
    ("test-image", "all", TESTED, "make test-image"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `there` is None for what was not asked."""

    name: str
    there: bool | None
    told: str


def rows(settings: Settings, *, network: bool, registry: str | None = None) -> Iterator[Row]:
    """Yield what this machine has, then what it can reach: asked of the archives and the index only with `network`.

    Raises:
        BadDefinition: the registry is no place like host/path.
    """
    place = Place.parse(registry) if registry else None
    for name, how, programs, purpose in ABILITIES:
        yield _ability(name, how, programs, purpose)
    yield Row("keyring", settings.keyring.is_file(), str(settings.keyring))
    yield Row("compressor", there=True, told=f"{compress.NAME}, probe {compress.probe(compress.LEVEL)[:12]}")
    yield Row("cache", _writable(settings.cache), f"{settings.cache}: the only place of packages that mirrors dropped")
    with ThreadPoolExecutor() as asking:
        archives = [asking.submit(_archive, name, settings, network=network) for name in SUITE]
        index = asking.submit(_index, network=network)
        yield from (one.result() for one in archives)
        yield index.result()
        yield _registry(place) if place else Row("registry", None, "not asked: doctor --registry HOST/PATH")


def _ability(name: str, how: str, programs: Sequence[str], purpose: str) -> Row:
    have = [one for one in programs if shutil.which(one)]
    lack = [one for one in programs if one not in have]
    good = bool(have) if how == "one" else not lack
    missing = f"needs {', '.join(lack)}" if how == "all" else f"needs one of {', '.join(lack)}"
    return Row(name, good, f"{purpose} ({', '.join(have) if good else missing})")


def _writable(folder: Path) -> bool:
    """Say whether a folder is there, or can be made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir()


def _archive(name: str, settings: Settings, *, network: bool) -> Row:
    suite = SUITE[name]
    try:
        place = settings.place(suite)
        if not network:
            return Row(name, None, f"{place}: not asked")
        cache.get(f"{place}/dists/{suite}/InRelease", limit=SMALL)
    except BadDefinition as error:
        return Row(name, there=False, told=str(error))
    except cache.Absent:
        return Row(name, there=True, told=f"{place} (has no {suite})")
    except Refusal as error:
        return Row(name, there=False, told=str(error))
    return Row(name, there=True, told=place)


def _index(*, network: bool) -> Row:
    """Ask pip, which knows where Python packages come from here."""
    if not network:
        return Row("index", None, "where pip is set up to look: not asked")
    asked = [sys.executable, "-m", "pip", "index", "versions", "packaging", "--timeout", "5", "--retries", "0"]
    try:
        ended = subprocess.run(asked, capture_output=True, check=False, timeout=PATIENCE)  # noqa: S603 - our own words
    except subprocess.TimeoutExpired:
        return Row("index", there=False, told="pip does not get an answer")
    good = ended.returncode == 0
    return Row(
        "index", good, "pip finds packages" if good else "pip finds no packages: lock and the first build need it"
    )


def _registry(place: Place) -> Row:
    kind = http.client.HTTPConnection if place.plain else http.client.HTTPSConnection
    connection = kind(place.host, timeout=PATIENCE)
    try:
        connection.request("GET", "/v2/")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return Row("registry", there=False, told=f"{place.host} does not answer: {error}")
    finally:
        connection.close()
    told = {HTTPStatus.OK: "answers", HTTPStatus.UNAUTHORIZED: "answers, and wants a user"}
    known = {int(code): words for code, words in told.items()}
    return Row(
        "registry", status in known, f"{place.host} {known.get(status, f'answers {status}, as no registry does')}"
    )
