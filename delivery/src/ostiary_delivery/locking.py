"""`ostiary-delivery lock`: chooses every input once, checks it, and writes it down."""

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
from ostiary_delivery.python.requirements import Pin, Target, check_pinned, needed
from ostiary_delivery.python.requirements import read as read_requirements
from ostiary_delivery.settings import Settings

ADVICE = "ostiary-delivery lock {name} --update PACKAGE moves one of them, --update-all moves everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What may move: names of packages or of their sources, or everything."""

    names: frozenset[str] = frozenset()
    everything: bool = False

    def allows(self, name: str, source: str = "") -> bool:
        """Tell whether a package may get another version than the locked one."""
        return self.everything or name in self.names or source in self.names


@dataclass(frozen=True, slots=True, kw_only=True)
class Locking:
    """What locking needs to know of the machine and of the moment (`now` in seconds since 1970)."""

    repository: Path
    settings: Settings
    cache: Cache
    progress: Progress
    now: int


def lock(container: Container, *, old: Lock | None, update: Update, at: Locking) -> Lock:
    """Return the lock of a container. What an older lock chose stays, unless it may move.

    Raises:
        Stale: something that may not move is gone.
        Refusal: the inputs do not fit together; also every error of archives and indexes.
    """
    suites, debs = _debs(container, old=old, update=update, at=at)
    epoch = max((one.date for one in suites), default=0)
    wheels = _wheels(container, old=old, at=at, epoch=epoch)
    found = Lock(
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
    same = old is not None and (old.debs, old.wheels, old.compressor) == (found.debs, found.wheels, found.compressor)
    return old if same and old is not None else found  # a newer date alone is no reason for another image


def target_of(container: Container, wheels: Wheels) -> Target:
    """Return the Python that wheels are chosen for."""
    return Target(python=wheels.python, architecture=container.debian.architecture, glibc=wheels.glibc)


def fetch_debs(debs: Sequence[LockedDeb], *, settings: Settings, cache: Cache, progress: Progress) -> list[str]:
    """Bring Debian packages into the cache; returns "name version" of those that are gone."""
    gone: list[str] = []
    missing = [one for one in debs if not cache.has(one.wanted)]
    if not missing:
        return gone
    with progress.step("debs", sum(one.size for one in missing), unit="bytes") as advance:
        for one in missing:
            try:
                cache.fetch(f"{settings.place(one.suite)}/{one.path}", one.wanted, advance=advance)
            except Absent:
                gone.append(f"{one.name} {one.version}")
    return gone


def fetch_wheels(wheels: Sequence[LockedWheel], *, target: Target, cache: Cache, progress: Progress) -> list[str]:
    """Bring wheels into the cache; returns "name version" of those that are gone."""
    missing = [one for one in wheels if not cache.has(one.wanted)]
    if not missing:
        return []
    pins = [Pin(name=one.name, version=one.version, hashes=frozenset({one.sha256})) for one in missing]
    with progress.step("wheels", len(pins), unit="files") as advance:
        _, gone = download.download(pins, target=target, cache=cache, advance=advance)
    return [f"{one.name} {one.version}" for one in gone]


def _debs(
    container: Container, *, old: Lock | None, update: Update, at: Locking
) -> tuple[list[release.Release], list[LockedDeb]]:
    suites, known = _index(container, at=at)
    locked = {one.name: one for one in old.debs} if old else {}
    gone: list[str] = []

    def pick(name: str, offered: Sequence[index.Offer]) -> index.Offer:
        before = locked.get(name)
        if before is None or update.allows(name, before.source):
            return offered[-1]
        same = [one for one in offered if one.sha256 == before.sha256]
        if not same:
            gone.append(f"{name} {before.version} (there is {offered[-1].version})")
        return same[-1] if same else offered[-1]

    with at.progress.step("resolving", 1) as advance:
        chosen = index.resolve(container.debian.packages, index=known, without=container.debian.without, pick=pick)
        advance(1)
    if gone:
        raise Stale(sorted(gone), advice=ADVICE.format(name=container.name))
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


def _index(container: Container, *, at: Locking) -> tuple[list[release.Release], index.Index]:
    debian = container.debian
    suites, known = [], index.Index()
    with at.progress.step("indexes", len(debian.suites), unit="suites") as advance:
        for suite in debian.suites:
            place = at.settings.place(suite)
            found = release.fetch(place, suite, keyring=at.settings.keyring, now=at.now)
            for component in debian.components:
                listed = release.packages(
                    found, component, architecture=debian.architecture, place=place, cache=at.cache
                )
                known.add(index.offers(paragraphs(listed), suite=suite))
            suites.append(found)
            advance(1)
    return suites, known


def _wheels(container: Container, *, old: Lock | None, at: Locking, epoch: int) -> list[LockedWheel]:
    """Follow what the project needs from wheel to wheel; each version is the requirements file's."""
    wheels = container.wheels
    if wheels is None:
        return []
    target = target_of(container, wheels)
    pins = read_requirements(at.repository / wheels.requirements, target=target)
    own_name, own_bytes = project.build(at.repository / wheels.project, epoch=epoch)
    own = wheel.read(own_bytes, name=own_name)
    locked = {one.name: one for one in old.wheels} if old else {}
    chosen: dict[str, LockedWheel] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [
        (name, extras, own.name) for name, extras in needed(own.requires, target=target, extras=wheels.extras).items()
    ]
    while waiting:
        todo = {name: check_pinned(name, pins, asked_by=by) for name, _, by in waiting if name not in chosen}
        chosen |= {one.name: one for one in _bring(list(todo.values()), locked=locked, target=target, at=at)}
        following = []
        for name, extras, _ in waiting:
            if (name, extras) in seen:
                continue
            seen.add((name, extras))
            inside = wheel.read(at.cache.read(chosen[name].wanted), name=chosen[name].file)
            found = needed(inside.requires, target=target, extras=extras)
            following += [(one, more, name) for one, more in found.items()]
        waiting = following
    return [chosen[name] for name in sorted(chosen)]


def _bring(pins: Sequence[Pin], *, locked: dict[str, LockedWheel], target: Target, at: Locking) -> list[LockedWheel]:
    kept = [locked[pin.name] for pin in pins if pin.name in locked and locked[pin.name].sha256 in pin.hashes]
    gone = fetch_wheels(kept, target=target, cache=at.cache, progress=at.progress)
    names = {one.name for one in kept}
    fresh = [pin for pin in pins if pin.name not in names]
    if fresh:
        with at.progress.step("wheels", len(fresh), unit="files") as advance:
            came, lost = download.download(fresh, target=target, cache=at.cache, advance=advance)
        gone += [f"{one.name} {one.version}" for one in lost]
        kept += [
            LockedWheel(
                name=one.pin.name,
                version=one.pin.version,
                file=one.file.name,
                sha256=one.file.sha256,
                size=one.file.size,
            )
            for one in came
        ]
    if gone:
        raise Stale(gone, advice="no index that pip knows has them: lock the requirements again, or set another index")
    return kept


def changes(old: Lock | None, new: Lock) -> list[str]:
    """Return one line for each package that came, went or moved, like "deb libc6 2.40 -> 2.41"."""
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
