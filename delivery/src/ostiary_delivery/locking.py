"""`ostiary-delivery lock`: resolves all inputs, verifies them, and records them in the lock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ostiary_delivery import compress
from ostiary_delivery.cache import Absent, Cache
from ostiary_delivery.debian import index, release
from ostiary_delivery.debian.control import paragraphs
from ostiary_delivery.definition import Container, Wheels
from ostiary_delivery.errors import Stale
from ostiary_delivery.lockfile import Lock, LockedDeb, LockedSuite, LockedWheel
from ostiary_delivery.progress import Progress
from ostiary_delivery.python import download, project, wheel
from ostiary_delivery.python.requirements import Pin, Target, dependencies, require_pin
from ostiary_delivery.python.requirements import read as read_requirements
from ostiary_delivery.settings import Settings

ADVICE = "ostiary-delivery lock {name} --update PACKAGE updates one of them, --update-all updates all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """The packages that may change: names of packages or of source packages, or all."""

    names: frozenset[str] = frozenset()
    everything: bool = False

    def allows(self, name: str, source: str = "") -> bool:
        """Return whether a package may get another version than the locked one."""
        return self.everything or name in self.names or source in self.names


@dataclass(frozen=True, slots=True, kw_only=True)
class LockContext:
    """The checkout, settings, cache and progress display of one locking; `now` is in seconds since 1970."""

    repository: Path
    settings: Settings
    cache: Cache
    progress: Progress
    now: int


def lock(container: Container, *, old: Lock | None, update: Update, at: LockContext) -> Lock:
    """Resolve the lock of a container. Versions of the old lock stay, unless `update` allows others.

    Raises:
        Stale: a locked version cannot be had any more.
        Refusal: the inputs are inconsistent; also all errors of archives and indexes.
    """
    suites, debs = _debs(container, old=old, update=update, at=at)
    epoch = max((one.date for one in suites), default=0)
    wheels = _wheels(container, old=old, at=at, epoch=epoch)
    new = Lock(
        container=container.name,
        architecture=container.debian.architecture,
        epoch=epoch,
        compressor=compress.here(),
        suites=tuple(
            LockedSuite(suite=one.suite, codename=one.codename, version=one.version, sha256=one.sha256)
            for one in suites
        ),
        debs=tuple(debs),
        wheels=tuple(wheels),
    )
    same = old is not None and (old.debs, old.wheels, old.compressor) == (new.debs, new.wheels, new.compressor)
    return old if same and old is not None else new  # a newer date alone is no reason for another image


def target_of(container: Container, wheels: Wheels) -> Target:
    """Return the Python of the image, which wheels are chosen for."""
    return Target(python=wheels.python, architecture=container.debian.architecture, glibc=wheels.glibc)


def fetch_debs(debs: Sequence[LockedDeb], *, settings: Settings, cache: Cache, progress: Progress) -> list[str]:
    """Download Debian packages into the cache; return "name version" of the unavailable ones."""
    unavailable: list[str] = []
    missing = [one for one in debs if not cache.has(one.artifact)]
    if not missing:
        return unavailable
    with progress.step("debs", sum(one.size for one in missing), unit="bytes") as advance:
        for one in missing:
            try:
                cache.fetch(f"{settings.archive_url(one.suite)}/{one.path}", one.artifact, advance=advance)
            except Absent:
                unavailable.append(f"{one.name} {one.version}")
    return unavailable


def fetch_wheels(wheels: Sequence[LockedWheel], *, target: Target, cache: Cache, progress: Progress) -> list[str]:
    """Download wheels into the cache; return "name version" of the unavailable ones."""
    missing = [one for one in wheels if not cache.has(one.artifact)]
    if not missing:
        return []
    pins = [Pin(name=one.name, version=one.version, hashes=frozenset({one.sha256})) for one in missing]
    with progress.step("wheels", len(pins), unit="files") as advance:
        _, unavailable = download.download(pins, target=target, cache=cache, advance=advance)
    return [f"{one.name} {one.version}" for one in unavailable]


def _debs(
    container: Container, *, old: Lock | None, update: Update, at: LockContext
) -> tuple[list[release.Release], list[LockedDeb]]:
    suites, available = _index(container, at=at)
    locked = {one.name: one for one in old.debs} if old else {}
    unavailable: list[str] = []

    def pick(name: str, versions: Sequence[index.PackageVersion]) -> index.PackageVersion:
        locked_deb = locked.get(name)
        if locked_deb is None or update.allows(name, locked_deb.source):
            return versions[-1]
        same = [one for one in versions if one.sha256 == locked_deb.sha256]
        if not same:
            unavailable.append(f"{name} {locked_deb.version} (there is {versions[-1].version})")
        return same[-1] if same else versions[-1]

    with at.progress.step("resolving", 1) as advance:
        chosen = index.resolve(container.debian.packages, index=available, without=container.debian.without, pick=pick)
        advance(1)
    if unavailable:
        raise Stale(sorted(unavailable), advice=ADVICE.format(name=container.name))
    debs = [
        LockedDeb(
            name=one.name,
            version=one.version,
            architecture=one.architecture,
            source=one.source,
            suite=one.suite,
            path=one.path,
            sha256=one.sha256,
            size=one.size,
        )
        for one in chosen
    ]
    missing = fetch_debs(debs, settings=at.settings, cache=at.cache, progress=at.progress)
    if missing:
        raise Stale(missing, advice="the archive lists them and does not have them: try again, or another mirror")
    return suites, debs


def _index(container: Container, *, at: LockContext) -> tuple[list[release.Release], index.Index]:
    debian = container.debian
    suites, available = [], index.Index()
    with at.progress.step("indexes", len(debian.suites), unit="suites") as advance:
        for suite in debian.suites:
            place = at.settings.archive_url(suite)
            published = release.fetch(place, suite, keyring=at.settings.keyring, now=at.now)
            for component in debian.components:
                listed = release.packages(
                    published, component, architecture=debian.architecture, place=place, cache=at.cache
                )
                available.add(index.package_versions(paragraphs(listed), suite=suite))
            suites.append(published)
            advance(1)
    return suites, available


def _wheels(container: Container, *, old: Lock | None, at: LockContext, epoch: int) -> list[LockedWheel]:
    """Resolve the dependencies of the project, wheel by wheel; versions come from the requirements file."""
    wheels = container.wheels
    if wheels is None:
        return []
    target = target_of(container, wheels)
    pins = read_requirements(at.repository / wheels.requirements, target=target)
    own_name, own_bytes = project.build(at.repository / wheels.project, epoch=epoch)
    own_wheel = wheel.read(own_bytes, name=own_name)
    locked = {one.name: one for one in old.wheels} if old else {}
    chosen: dict[str, LockedWheel] = {}
    visited: set[tuple[str, frozenset[str]]] = set()
    waiting = [
        (name, extras, own_wheel.name)
        for name, extras in dependencies(own_wheel.requires, target=target, extras=wheels.extras).items()
    ]
    while waiting:
        todo = {name: require_pin(name, pins, required_by=by) for name, _, by in waiting if name not in chosen}
        chosen |= {one.name: one for one in _download(list(todo.values()), locked=locked, target=target, at=at)}
        following = []
        for name, extras, _ in waiting:
            if (name, extras) in visited:
                continue
            visited.add((name, extras))
            metadata = wheel.read(at.cache.read(chosen[name].artifact), name=chosen[name].file)
            required = dependencies(metadata.requires, target=target, extras=extras)
            following += [(one, more, name) for one, more in required.items()]
        waiting = following
    return [chosen[name] for name in sorted(chosen)]


def _download(
    pins: Sequence[Pin], *, locked: dict[str, LockedWheel], target: Target, at: LockContext
) -> list[LockedWheel]:
    wheels = [locked[pin.name] for pin in pins if pin.name in locked and locked[pin.name].sha256 in pin.hashes]
    unavailable = fetch_wheels(wheels, target=target, cache=at.cache, progress=at.progress)
    locked_names = {one.name for one in wheels}
    new_pins = [pin for pin in pins if pin.name not in locked_names]
    if new_pins:
        with at.progress.step("wheels", len(new_pins), unit="files") as advance:
            downloads, lost_pins = download.download(new_pins, target=target, cache=at.cache, advance=advance)
        unavailable += [f"{one.name} {one.version}" for one in lost_pins]
        wheels += [
            LockedWheel(
                name=one.pin.name,
                version=one.pin.version,
                file=one.file.name,
                sha256=one.file.sha256,
                size=one.file.size,
            )
            for one in downloads
        ]
    if unavailable:
        raise Stale(
            unavailable, advice="no index that pip knows has them: lock the requirements again, or set another index"
        )
    return wheels


def changes(old: Lock | None, new: Lock) -> list[str]:
    """Return one line for each new, removed or changed package, like "deb libc6 2.40 -> 2.41"."""
    before = {("deb", one.name): one.version for one in old.debs} if old else {}
    before |= {("wheel", one.name): one.version for one in old.wheels} if old else {}
    after = {("deb", one.name): one.version for one in new.debs} | {
        ("wheel", one.name): one.version for one in new.wheels
    }
    return [
        f"{kind} {name} {before.get((kind, name), '(new)')} -> {after.get((kind, name), '(gone)')}"
        for kind, name in sorted(before.keys() | after.keys())
        if old and before.get((kind, name)) != after.get((kind, name))
    ]
