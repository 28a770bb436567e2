"""`ostiary-delivery build`: from a lock to an image, layer by layer, each kept in the cache until its inputs change."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from ostiary_delivery import audit, compress, contents, layer, lockfile, locking, oci, plan
from ostiary_delivery.cache import Cache, Wanted, write
from ostiary_delivery.contents import Contents, Found
from ostiary_delivery.debian.version import upstream
from ostiary_delivery.definition import Container
from ostiary_delivery.errors import BadDefinition, Refusal, Stale
from ostiary_delivery.layer import Layer
from ostiary_delivery.lockfile import Lock
from ostiary_delivery.progress import Progress
from ostiary_delivery.python import project
from ostiary_delivery.settings import Settings
from ostiary_delivery.units import Workshop

FORMAT: Final = "layers 2"
"""Raised whenever the same inputs would give other bytes than before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Building:
    """What building needs to know of the machine."""

    repository: Path
    settings: Settings
    cache: Cache
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A layer that is made: where it comes from, what is inside, and its packed bytes."""

    layer: Layer
    units: tuple[plan.Unit, ...]
    contents: Contents
    used: frozenset[str]
    packed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A finished image with its parts, in the order of its layers."""

    container: Container
    lock: Lock
    image: oci.Image
    parts: tuple[Part, ...]

    @property
    def blobs(self) -> dict[str, bytes]:
        """The layers by their digests."""
        return {part.layer.digest: part.packed for part in self.parts}


def build(container: Container, *, at: Building) -> Built:
    """Return the whole image.

    Raises:
        Stale: inputs are gone. Tampered: inputs are others than those locked.
        Refusal: a version is not the declared one, or the image would hold what it must not.
    """
    lock, workshop = _prepare(container, at=at)
    groups = plan.layers(workshop.units(), rule=container.layers)
    parts = _make_all(groups, workshop, at=at)
    _check_globs(container, parts)
    found = [one for part in parts for one in part.contents.packages]
    wrong = audit.problems({part.layer.title: part.contents.files for part in parts})
    wrong += promised(container, found) + complete(lock, found)
    if wrong:
        raise Refusal("\n".join(f"{container.name}: {one}" for one in wrong))
    image = oci.assemble(container, lock=lock, layers=[part.layer for part in parts])
    return Built(container=container, lock=lock, image=image, parts=tuple(parts))


def build_part(container: Container, name: str, *, at: Building) -> Part:
    """Return the layer that holds one package (or `files`, or the project) as it will be in the whole image.

    Raises:
        BadDefinition: no part has that name.
    """
    _, workshop = _prepare(container, at=at)
    groups = plan.layers(workshop.units(), rule=container.layers)
    for group in groups:
        if any(unit.name == name for unit in group):
            return _make_all([group], workshop, at=at)[0]
    known = ", ".join(unit.name for group in groups for unit in group)
    raise BadDefinition(f"{container.name} has no part {name}; there are: {known}")


def promised(container: Container, found: Sequence[Found]) -> list[str]:
    """Return one line for each declared version that is not the one found inside the layers."""
    versions = {(one.kind, one.name): one.version for one in found}
    wrong = []
    for promise in container.promises:
        have = versions.get((promise.kind, promise.name))
        if have is None:
            wrong.append(f"version drift: {promise.kind} {promise.name} is not in the image")
        elif promise.equals not in {have, upstream(have) if promise.kind == "deb" else have}:
            wrong.append(f"version drift: {promise.kind} {promise.name} is {have}, and declared is {promise.equals}")
    return wrong


def complete(lock: Lock, found: Sequence[Found]) -> list[str]:
    """Return one line for each difference between the lock and the packages inside the layers."""
    inside = {(one.kind, one.name, one.version) for one in found}
    locked = {("deb", one.name, one.version) for one in lock.debs} | {
        ("wheel", one.name, one.version) for one in lock.wheels
    }
    return [
        f"{kind} {name} {version} is locked and not in the image" for kind, name, version in sorted(locked - inside)
    ]


def _prepare(container: Container, *, at: Building) -> tuple[Lock, Workshop]:
    lock = lockfile.load(container.folder)
    compress.check(lock.compressor)
    missing = sorted(set(container.debian.packages) - {one.name for one in lock.debs})
    if missing or lock.architecture != container.debian.architecture:
        raise Refusal(
            f"{container.name}: the lock does not hold {', '.join(missing) or 'this architecture'}: lock again"
        )
    gone = locking.fetch_debs(lock.debs, settings=at.settings, cache=at.cache, progress=at.progress)
    own = None
    if container.wheels:
        target = locking.target_of(container, container.wheels)
        gone += locking.fetch_wheels(lock.wheels, target=target, cache=at.cache, progress=at.progress)
    if gone:
        raise Stale(gone, advice=locking.ADVICE.format(name=container.name))
    if container.wheels:
        own = project.build(at.repository / container.wheels.project, epoch=lock.epoch)
    workshop = Workshop(container=container, lock=lock, cache=at.cache, own=own)
    return lock, workshop


def _make_all(groups: Sequence[tuple[plan.Unit, ...]], workshop: Workshop, *, at: Building) -> list[Part]:
    rules = f"{FORMAT} {workshop.rules()}"
    keys = [_key(group, rules) for group in groups]
    known = [_cached(key, group, at.cache) for key, group in zip(keys, groups, strict=True)]
    if None in known:
        workshop.check_scripts()
        workshop.prepare()
    with (
        at.progress.step("layers", sum(part is None for part in known), unit="made") as advance,
        ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool,
    ):

        def one(number: int) -> Part:
            part = known[number]
            if part is None:
                part = _make(groups[number], workshop)
                _keep(keys[number], part, at.cache)
                advance(1)
            return part

        return list(pool.map(one, range(len(groups))))


def _make(group: tuple[plan.Unit, ...], workshop: Workshop) -> Part:
    made = [workshop.make(unit) for unit in group]
    entries = [entry for found, _ in made for entry in found]
    made_layer, packed = layer.make(
        plan.title(group),
        entries,
        user=workshop.container.image.user,
        level=workshop.lock.compressor.level,
    )
    inside = contents.read(packed, name=made_layer.title)
    used = frozenset(glob for _, globs in made for glob in globs)
    return Part(layer=made_layer, units=group, contents=inside, used=used, packed=packed)


def _key(group: tuple[plan.Unit, ...], rules: str) -> str:
    told = [rules, *(f"{unit.title} {unit.identity}" for unit in group)]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _keep(key: str, part: Part, cache: Cache) -> None:
    cache.put(part.packed)
    told = {"layer": asdict(part.layer), "used": sorted(part.used)}
    write(cache.root / "layers" / f"{key}.json", json.dumps(told).encode())


def _cached(key: str, group: tuple[plan.Unit, ...], cache: Cache) -> Part | None:
    path = cache.root / "layers" / f"{key}.json"
    if not path.is_file():
        return None
    told = json.loads(path.read_bytes())
    known = Layer(**told["layer"])
    wanted = Wanted(name=known.title, sha256=known.digest.removeprefix("sha256:"), size=known.size)
    if not cache.has(wanted):
        return None
    packed = cache.read(wanted)
    inside = contents.read(packed, name=known.title)
    return Part(layer=known, units=group, contents=inside, used=frozenset(told["used"]), packed=packed)


def _check_globs(container: Container, parts: Sequence[Part]) -> None:
    used = {glob for part in parts for glob in part.used}
    unused = [glob for glob in (*container.image.drop, *container.image.keep) if glob not in used]
    if unused:
        raise Refusal(f"{container.name}: image.drop or keep matches nothing with {', '.join(unused)}")


def sizes(built: Built) -> Mapping[str, int]:
    """Return the packed size in bytes of each layer by its title."""
    return {part.layer.title: part.layer.size for part in built.parts}
