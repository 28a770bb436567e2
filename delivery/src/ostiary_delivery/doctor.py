"""`ostiary-delivery doctor`: the capabilities of this machine. Changes nothing."""

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

TIMEOUT: Final = 15  # seconds for the index, and for a registry
INDEX_LIMIT: Final = 4 * 1024 * 1024  # bytes; an archive's list of files is far below
SUITE: Final = {"package archive": "stable", "security archive": "stable-security"}
SIGNS: Final = {True: "yes", False: "no", None: "?"}

TEST_PROGRAMS: Final = ("bwrap", "runc", "podman", "newuidmap", "docker-registry", "skopeo", "mmdebstrap", "gpg")

# Name, whether it needs "all" or "one" of the programs, the programs, and the purpose.
CAPABILITIES: Final = (
    ("lock", "all", ("gpgv",), "choose packages: verifies archives"),
    ("tag", "all", ("git",), "name the commit in a tag; build works without"),
    ("run", "one", ("podman", "runc", "docker", "nerdctl", "bwrap"), "run an image; bwrap runs what it holds"),
    ("verify", "all", ("cosign",), "verify signatures; signing needs nothing"),
    ("copy", "one", ("skopeo", "oras"), "copy images; push and promote need neither"),
    ("render", "one", ("kubectl", "kustomize"), "render, pin, secrets init: nothing is applied"),
    ("apply", "all", ("kubectl",), "apply manifests; no cluster is asked"),
    ("nix", "all", ("nix-build",), "build the same image as a derivation"),
    ("test-image", "all", TEST_PROGRAMS, "make test-image"),
)


@dataclass(frozen=True, slots=True)
class Capability:
    """One line of the table; `available` is None for what was not checked."""

    name: str
    available: bool | None
    detail: str


def rows(settings: Settings, *, network: bool, registry: str | None = None) -> Iterator[Capability]:
    """Yield installed programs and files, then what can be reached; archives and index are asked only with `network`.

    Raises:
        BadDefinition: `registry` is not host[:port]/path.
    """
    place = Place.parse(registry) if registry else None
    for name, how, programs, purpose in CAPABILITIES:
        yield _programs(name, how, programs, purpose)
    yield Capability("keyring", settings.keyring.is_file(), str(settings.keyring))
    yield Capability(
        "compressor", available=True, detail=f"{compress.NAME}, probe {compress.probe(compress.LEVEL)[:12]}"
    )
    yield Capability(
        "cache", _writable(settings.cache), f"{settings.cache}: the only place of packages that mirrors dropped"
    )
    with ThreadPoolExecutor() as pool:
        archives = [pool.submit(_archive, name, settings, network=network) for name in SUITE]
        index = pool.submit(_index, network=network)
        yield from (one.result() for one in archives)
        yield index.result()
        yield _registry(place) if place else Capability("registry", None, "not asked: doctor --registry HOST/PATH")


def _programs(name: str, how: str, programs: Sequence[str], purpose: str) -> Capability:
    installed = [one for one in programs if shutil.which(one)]
    absent = [one for one in programs if one not in installed]
    available = bool(installed) if how == "one" else not absent
    missing = f"needs {', '.join(absent)}" if how == "all" else f"needs one of {', '.join(absent)}"
    return Capability(name, available, f"{purpose} ({', '.join(installed) if available else missing})")


def _writable(folder: Path) -> bool:
    """Return whether a folder exists or can be created."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir()


def _archive(name: str, settings: Settings, *, network: bool) -> Capability:
    suite = SUITE[name]
    try:
        place = settings.archive_url(suite)
        if not network:
            return Capability(name, None, f"{place}: not asked")
        cache.get(f"{place}/dists/{suite}/InRelease", limit=INDEX_LIMIT)
    except BadDefinition as error:
        return Capability(name, available=False, detail=str(error))
    except cache.Absent:
        return Capability(name, available=True, detail=f"{place} (has no {suite})")
    except Refusal as error:
        return Capability(name, available=False, detail=str(error))
    return Capability(name, available=True, detail=place)


def _index(*, network: bool) -> Capability:
    """Query the index through pip, which knows its address."""
    if not network:
        return Capability("index", None, "where pip is set up to look: not asked")
    command = [sys.executable, "-m", "pip", "index", "versions", "packaging", "--timeout", "5", "--retries", "0"]
    try:
        process = subprocess.run(command, capture_output=True, check=False, timeout=TIMEOUT)  # noqa: S603 - our own words
    except subprocess.TimeoutExpired:
        return Capability("index", available=False, detail="pip does not get an answer")
    available = process.returncode == 0
    return Capability(
        "index",
        available,
        "pip finds packages" if available else "pip finds no packages: lock and the first build need it",
    )


def _registry(place: Place) -> Capability:
    kind = http.client.HTTPConnection if place.plain_http else http.client.HTTPSConnection
    connection = kind(place.host, timeout=TIMEOUT)
    try:
        connection.request("GET", "/v2/")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return Capability("registry", available=False, detail=f"{place.host} does not answer: {error}")
    finally:
        connection.close()
    states = {HTTPStatus.OK: "answers", HTTPStatus.UNAUTHORIZED: "answers, and wants a user"}
    states_by_code = {int(code): words for code, words in states.items()}
    return Capability(
        "registry",
        status in states_by_code,
        f"{place.host} {states_by_code.get(status, f'answers {status}, as no registry does')}",
    )
