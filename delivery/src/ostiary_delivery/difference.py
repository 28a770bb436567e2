"""The difference of two images: layers, packages, and the bytes that a push sends."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ostiary_delivery import contents
from ostiary_delivery.oci import Layout
from ostiary_delivery.registry import pushed_size


def difference(before: Layout, after: Layout) -> Iterator[str]:
    """Yield one line for each layer and each package that differs, and one with the bytes a push will send."""
    if before.image.digest == after.image.digest:
        yield f"the same image: {after.image.digest}"
        return
    old = {str(one["digest"]): int(one["size"]) for one in before.image.layers}
    new = {str(one["digest"]): int(one["size"]) for one in after.image.layers}
    titles = dict(zip(old, before.image.titles, strict=False)) | dict(zip(new, after.image.titles, strict=False))
    for mark, these, others in (("-", old, new), ("+", new, old)):
        for digest, size in these.items():
            if digest not in others:
                yield f"{mark} {size:>10}  {titles[digest]}"
    packages_before, packages_after = _packages(before), _packages(after)
    for key in sorted(packages_before.keys() | packages_after.keys()):
        if packages_before.get(key) != packages_after.get(key):
            yield f"{key[0]} {key[1]}: {packages_before.get(key, '(none)')} -> {packages_after.get(key, '(none)')}"
    yield f"a push sends {predicted(before, after)} bytes to a registry that has the first"


def predicted(before: Layout, after: Layout) -> int:
    """Return the size in bytes of a push of `after` to a registry that has `before`."""
    config = json.loads(before.image.manifest)["config"]["digest"]
    return pushed_size(after.image, frozenset({config, *(str(one["digest"]) for one in before.image.layers)}))


def _packages(layout: Layout) -> dict[tuple[str, str], str]:
    return {
        (one.kind, one.name): one.version
        for layer in layout.image.layers
        for one in contents.read(layout.blob(str(layer["digest"])), name=str(layer["digest"])).packages
    }
