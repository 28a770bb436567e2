"""`ostiary-delivery build`: an image from its lock, layer by layer. A layer stays cached until its inputs change."""

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
from ostiary_delivery.cache import Artifact, Cache, write
from ostiary_delivery.components import SCRIPTS, ComponentBuilder
from ostiary_delivery.contents import Contents, InstalledPackage
from ostiary_delivery.debian.version import upstream
from ostiary_delivery.definition import Container
from ostiary_delivery.errors import BadDefinition, Refusal, Stale
from ostiary_delivery.layer import Layer
from ostiary_delivery.lockfile import Lock
from ostiary_delivery.progress import Progress
from ostiary_delivery.python import project
from ostiary_delivery.settings import Settings

FORMAT: Final = "layers 2"
"""Version of the layer cache; counts up when the same inputs give other bytes than before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildContext:
    """The checkout, the settings of this machine, the cache and the progress display of one build."""

    repository: Path
    settings: Settings
    cache: Cache
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltLayer:
    """A built layer: its descriptor, its components, its contents, the globs it used, and its packed bytes."""

    layer: Layer
    components: tuple[plan.Component, ...]
    contents: Contents
    used_globs: frozenset[str]
    packed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """A built image with its layers, in order."""

    container: Container
    lock: Lock
    image: oci.Image
    layers: tuple[BuiltLayer, ...]

    @property
    def blobs(self) -> dict[str, bytes]:
        """Packed layers by their digests."""
        return {part.layer.digest: part.packed for part in self.layers}


def build(container: Container, *, at: BuildContext) -> BuiltImage:
    """Build an image from its lock.

    Raises:
        Stale: locked packages cannot be had any more.
        Tampered: an input differs from the locked one.
        Refusal: a version differs from the declared one, or the audit of the layers failed.
    """
    lock, builder = _prepare(container, at=at)
    groups = plan.layers(builder.components(), rule=container.layers)
    layers = _build_layers(groups, builder, at=at)
    _require_used_globs(container, layers)
    packages = [one for layer in layers for one in layer.contents.packages]
    problems = audit.validate_layers({layer.layer.title: layer.contents.files for layer in layers})
    problems += version_drift(container, packages) + missing_packages(lock, packages)
    problems += missing_scripts(container, layers)
    if problems:
        raise Refusal("\n".join(f"{container.name}: {one}" for one in problems))
    image = oci.assemble(container, lock=lock, layers=[layer.layer for layer in layers])
    return BuiltImage(container=container, lock=lock, image=image, layers=tuple(layers))


def build_layer(container: Container, name: str, *, at: BuildContext) -> BuiltLayer:
    """Build the layer of one component (a package, `files`, or the project) as the whole image has it.

    Raises:
        BadDefinition: no component has that name.
    """
    _, builder = _prepare(container, at=at)
    groups = plan.layers(builder.components(), rule=container.layers)
    for group in groups:
        if any(component.name == name for component in group):
            return _build_layers([group], builder, at=at)[0]
    names = ", ".join(component.name for group in groups for component in group)
    raise BadDefinition(f"{container.name} has no component {name}; there are: {names}")


def version_drift(container: Container, packages: Sequence[InstalledPackage]) -> list[str]:
    """Return one line for each declared version that differs from the installed one."""
    versions = {(one.kind, one.name): one.version for one in packages}
    problems = []
    for assertion in container.assertions:
        actual = versions.get((assertion.kind, assertion.name))
        if actual is None:
            problems.append(f"version drift: {assertion.kind} {assertion.name} is not in the image")
        elif assertion.equals not in {actual, upstream(actual) if assertion.kind == "deb" else actual}:
            problems.append(
                f"version drift: {assertion.kind} {assertion.name} is {actual}, and declared is {assertion.equals}"
            )
    return problems


def missing_packages(lock: Lock, packages: Sequence[InstalledPackage]) -> list[str]:
    """Return one line for each locked package that the layers do not hold."""
    installed = {(one.kind, one.name, one.version) for one in packages}
    locked = {("deb", one.name, one.version) for one in lock.debs} | {
        ("wheel", one.name, one.version) for one in lock.wheels
    }
    return [
        f"{kind} {name} {version} is locked and not in the image" for kind, name, version in sorted(locked - installed)
    ]


def missing_scripts(container: Container, layers: Sequence[BuiltLayer]) -> list[str]:
    """Return one line for each declared script that no wheel brought."""
    wanted = container.wheels.scripts if container.wheels else ()
    present = {one.path for layer in layers for one in layer.contents.files}
    return [f"wheels.scripts names {name}, which no wheel has" for name in wanted if SCRIPTS + name not in present]


def _prepare(container: Container, *, at: BuildContext) -> tuple[Lock, ComponentBuilder]:
    lock = lockfile.load(container.folder)
    compress.check(lock.compressor)
    missing = sorted(set(container.debian.packages) - {one.name for one in lock.debs})
    if missing or lock.architecture != container.debian.architecture:
        raise Refusal(
            f"{container.name}: the lock does not hold {', '.join(missing) or 'this architecture'}: lock again"
        )
    unavailable = locking.fetch_debs(lock.debs, settings=at.settings, cache=at.cache, progress=at.progress)
    own_wheel = None
    if container.wheels:
        target = locking.target_of(container, container.wheels)
        unavailable += locking.fetch_wheels(lock.wheels, target=target, cache=at.cache, progress=at.progress)
    if unavailable:
        raise Stale(unavailable, advice=locking.ADVICE.format(name=container.name))
    if container.wheels:
        own_wheel = project.build(at.repository / container.wheels.project, epoch=lock.epoch)
    builder = ComponentBuilder(container=container, lock=lock, cache=at.cache, own_wheel=own_wheel)
    return lock, builder


def _build_layers(
    groups: Sequence[tuple[plan.Component, ...]], builder: ComponentBuilder, *, at: BuildContext
) -> list[BuiltLayer]:
    rules = f"{FORMAT} {builder.rules()}"
    keys = [_key(group, rules) for group in groups]
    cached = [_cached(key, group, at.cache) for key, group in zip(keys, groups, strict=True)]
    if None in cached:
        builder.require_declared_scripts()
        builder.prepare()
    with (
        at.progress.step("layers", sum(built is None for built in cached), unit="made") as advance,
        ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool,
    ):

        def load_or_build(index: int) -> BuiltLayer:
            built = cached[index]
            if built is None:
                built = _build_layer(groups[index], builder)
                _store(keys[index], built, at.cache)
                advance(1)
            return built

        return list(pool.map(load_or_build, range(len(groups))))


def _build_layer(components: tuple[plan.Component, ...], builder: ComponentBuilder) -> BuiltLayer:
    built = [builder.build(one) for one in components]
    entries = [entry for files, _ in built for entry in files]
    built_layer, packed = layer.make(
        plan.title(components),
        entries,
        user=builder.container.image.user,
        level=builder.lock.compressor.level,
    )
    layer_contents = contents.read(packed, name=built_layer.title)
    used_globs = frozenset(glob for _, globs in built for glob in globs)
    return BuiltLayer(
        layer=built_layer, components=components, contents=layer_contents, used_globs=used_globs, packed=packed
    )


def _key(components: tuple[plan.Component, ...], rules: str) -> str:
    inputs = [rules, *(f"{one.title} {one.identity}" for one in components)]
    return hashlib.sha256("\n".join(inputs).encode()).hexdigest()


def _store(key: str, layer: BuiltLayer, cache: Cache) -> None:
    cache.put(layer.packed)
    record = {"layer": asdict(layer.layer), "used": sorted(layer.used_globs)}
    write(cache.root / "layers" / f"{key}.json", json.dumps(record).encode())


def _cached(key: str, components: tuple[plan.Component, ...], cache: Cache) -> BuiltLayer | None:
    path = cache.root / "layers" / f"{key}.json"
    if not path.is_file():
        return None
    record = json.loads(path.read_bytes())
    stored = Layer(**record["layer"])
    artifact = Artifact(name=stored.title, sha256=stored.digest.removeprefix("sha256:"), size=stored.size)
    if not cache.has(artifact):
        return None
    packed = cache.read(artifact)
    layer_contents = contents.read(packed, name=stored.title)
    return BuiltLayer(
        layer=stored,
        components=components,
        contents=layer_contents,
        used_globs=frozenset(record["used"]),
        packed=packed,
    )


def _require_used_globs(container: Container, layers: Sequence[BuiltLayer]) -> None:
    used_globs = {glob for layer in layers for glob in layer.used_globs}
    unused = [glob for glob in (*container.image.drop, *container.image.keep) if glob not in used_globs]
    if unused:
        raise Refusal(f"{container.name}: image.drop or keep matches nothing with {', '.join(unused)}")


def sizes(built: BuiltImage) -> Mapping[str, int]:
    """Return the packed size in bytes of each layer by its title."""
    return {layer.layer.title: layer.layer.size for layer in built.layers}
