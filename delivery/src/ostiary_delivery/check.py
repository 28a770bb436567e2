"""`ostiary-delivery check`: compares the five places that state the version of an image.

container.toml          what a person declares; default.nix beside it repeats the version, where there is one
service-versions.yaml   what a person reviewed
container.lock          what was chosen: of wheels, all that the project needs, as the requirements pin them
the built image         what is really inside, read from the layers' bytes
kustomization.yaml      what is to run: tag v<version>-<commit7> and digest
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import yaml

from ostiary_delivery import build, contents, definition, git, lockfile, oci, services
from ostiary_delivery.cache import Cache, write
from ostiary_delivery.contents import Contents, InstalledPackage
from ostiary_delivery.debian.version import upstream
from ostiary_delivery.definition import Container
from ostiary_delivery.errors import Refusal
from ostiary_delivery.locking import target_of
from ostiary_delivery.manifests.unpinned import unpinned
from ostiary_delivery.python import requirements

KUSTOMIZATION: Final = "kustomization.yaml"
PROJECT: Final = "pyproject.toml"
NIX: Final = "default.nix"
NIX_VERSION: Final = re.compile(r'\bversion = "v?([^"]*)"')
RENDERED: Final = "deploy"


@dataclass(slots=True)
class Report:
    """Problems and hints, each a text that begins with file and line. Hints are no failure."""

    problems: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)


def check(repository: Path, *, images: Path, cache: Cache) -> Report:
    """Compare the versions of all containers of a repository; `images` is the folder of built images."""
    report = Report()
    listed = repository / services.FILE
    services_found = services.read(listed)
    problems, hints = services.validate_parents(services_found, _short(listed, repository))
    report.problems += problems
    report.hints += hints
    by_name = {one.name: one for one in services_found}
    for name in definition.names(repository):
        container = definition.read(repository, name)
        report.problems += _reviewed(container, by_name.get(name), by_name, _short(listed, repository), repository)
        report.problems += _repeated(container, repository)
        report.problems += _locked(container, repository)
        report.problems += _built(container, images / name, cache=cache, repository=repository)
        report.problems += _rendered(container, images / name, repository=repository)
    for path, name in unpinned(repository / RENDERED, definition.names(repository)):
        report.problems.append(f"{_short(path, repository)}:1: {name} is used here, with neither tag nor digest")
    return report


def _reviewed(
    container: Container,
    service: services.Service | None,
    known: dict[str, services.Service],
    listed: Path,
    repository: Path,
) -> Iterator[str]:
    where = _line(container, "version = ", repository)
    if service is None:
        yield f"{where}: {container.name} is not in {listed}"
        return
    if service.version is None or service.version.removeprefix("v") != container.version:
        at = service.at("current-version")
        yield f"{listed}:{at}: {container.name} is {service.version} here, and {container.version} in {where}"
    if container.parent and container.parent not in known:
        yield f"{_line(container, 'parent = ', repository)}: the parent {container.parent} is not in {listed}"
    if service.parent != container.parent:
        at = service.at("parent")
        here = f"the parent of {container.name} is {service.parent} here"
        yield f"{listed}:{at}: {here}, and {container.parent} in {where}"


def _repeated(container: Container, repository: Path) -> Iterator[str]:
    """Compare default.nix: people and programs read its first `version = "..."`."""
    path = container.folder / NIX
    if not path.is_file():
        return
    match = NIX_VERSION.search(path.read_text(encoding="utf-8"))
    where = _line(container, "version = ", repository)
    if match is None:
        yield f'{_short(path, repository)}:1: there is no version = "{container.version}" here, as in {where}'
    elif match[1] != container.version:
        at = f"{_short(path, repository)}:{_number(path, match[0])}"
        yield f"{at}: {container.name} is {match[1]} here, and {container.version} in {where}"


def _locked(container: Container, repository: Path) -> Iterator[str]:
    path = container.folder / lockfile.FILE
    try:
        lock = lockfile.load(container.folder)
    except Refusal as refusal:
        yield f"{_short(path, repository)}:1: {refusal}"
        return
    versions = {("deb", one.name): one.version for one in lock.debs} | {
        ("wheel", one.name): one.version for one in lock.wheels
    }
    for promise in container.assertions:
        have = versions.get((promise.kind, promise.name))
        if have is None and promise.kind == "wheel":
            continue  # the project's own wheel is built, not locked
        if have is None or promise.equals not in {have, upstream(have) if promise.kind == "deb" else have}:
            at = _number(path, f'"name": "{promise.name}"')
            where = _line(container, promise.equals, repository)
            yield f"{_short(path, repository)}:{at}: {promise.name} is {have} here, and {promise.equals} in {where}"
    yield from _wheels(container, lock, repository)


def _wheels(container: Container, lock: lockfile.Lock, repository: Path) -> Iterator[str]:
    """Compare the locked wheels with the requirements, and with what the project says that it needs."""
    wheels = container.wheels
    if wheels is None:
        return
    path = container.folder / lockfile.FILE
    target = target_of(container, wheels)
    pins = requirements.read(repository / wheels.requirements, target=target)
    needed = requirements.dependencies(_needs(repository / wheels.project, wheels.extras), target=target)
    locked = {one.name: one.version for one in lock.wheels}
    for name in sorted(needed.keys() - locked.keys()):
        project = _short(repository / wheels.project / PROJECT, repository)
        yield f"{_short(path, repository)}:1: {name} is not here, and {project} needs it"
    for name, version in locked.items():
        pinned = pins[name].version if name in pins else "not there"
        if pinned != version:
            at = _number(path, f'"name": "{name}"')
            yield f"{_short(path, repository)}:{at}: {name} is {version} here, and {pinned} in {wheels.requirements}"


def _needs(folder: Path, extras: Iterable[str]) -> list[str]:
    """Return the dependencies that a project declares, those of its extras too."""
    project = tomllib.loads((folder / PROJECT).read_text(encoding="utf-8")).get("project", {})
    optional = project.get("optional-dependencies", {})
    return [*project.get("dependencies", ()), *(one for extra in extras for one in optional.get(extra, ()))]


def _built(container: Container, folder: Path, *, cache: Cache, repository: Path) -> Iterator[str]:
    if not (folder / "index.json").is_file():
        return
    layout = oci.open_layout(folder)
    where = _short(folder, repository)
    label = json.loads(layout.image.config)["config"]["Labels"].get("org.opencontainers.image.version")
    if label != container.version:
        yield f"{where}:1: the image says it is {label}, and declared is {_line(container, 'version = ', repository)}"
    packages = [one for layer in layout.image.layers for one in _contents(layout, str(layer["digest"]), cache).packages]
    for line in build.version_drift(container, packages):
        yield f"{where}:1: {line} in {_line(container, 'assert', repository)}"
    try:
        for line in build.missing_packages(lockfile.load(container.folder), packages):
            yield f"{where}:1: {line}"
    except Refusal:
        return  # reported by _locked already


def _contents(layout: oci.Layout, digest: str, cache: Cache) -> Contents:
    """Return the packages of a layer. The blob is hashed each time; its list of packages is cached by digest."""
    packed = layout.blob(digest)
    path = cache.root / "contents" / f"{digest.removeprefix('sha256:')}.json"
    if path.is_file():
        cached = json.loads(path.read_bytes())
        return Contents(packages=tuple(InstalledPackage(**one) for one in cached["packages"]), files=())
    read_contents = contents.read(packed, name=digest)
    write(path, json.dumps({"packages": [asdict(one) for one in read_contents.packages]}).encode())
    return read_contents


def _rendered(container: Container, folder: Path, *, repository: Path) -> Iterator[str]:
    digest = oci.open_layout(folder).image.digest if (folder / "index.json").is_file() else None
    for path in sorted((repository / RENDERED).rglob(KUSTOMIZATION)):
        short = _short(path, repository)
        for image in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("images", []):
            name = str(image.get("newName", image.get("name", ""))).rpartition("/")[2]
            if name != container.name:
                continue
            tag = str(image.get("newTag", ""))
            at = _number(path, f"newTag: {tag}") if tag else _number(path, name)
            parts = git.TAG.fullmatch(tag)
            if parts is None:
                yield f"{short}:{at}: the tag {tag or '(none)'} of {name} is not v<version>-<commit, 7 digits>"
            elif parts["version"] != container.version:
                where = _line(container, "version = ", repository)
                yield f"{short}:{at}: {name} is {parts['version']} here, and {container.version} in {where}"
            if not image.get("digest"):
                yield f"{short}:{at}: {name} has no digest"
            elif digest and image["digest"] != digest:
                line = _number(path, str(image["digest"]))
                yield f"{short}:{line}: {name} is {image['digest']} here, and {digest} was built"


def _line(container: Container, word: str, repository: Path) -> str:
    path = container.folder / definition.FILE
    return f"{_short(path, repository)}:{_number(path, word)}"


def _number(path: Path, word: str) -> int:
    """Return the first line (from 1) of a file that holds a word; 1 when none does."""
    pattern = re.compile(re.escape(word))
    lines: Sequence[str] = path.read_text(encoding="utf-8").splitlines() if path.is_file() else ()
    return next((number for number, line in enumerate(lines, 1) if pattern.search(line)), 1)


def _short(path: Path, repository: Path) -> Path:
    return path.relative_to(repository) if path.is_relative_to(repository) else path
