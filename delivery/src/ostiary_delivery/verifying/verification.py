"""`ostiary-delivery verify`: rebuilds an image from its lock and says of each promise whether it holds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ostiary_delivery import audit, build, contents, git, lockfile, oci, provenance, sbom
from ostiary_delivery.contents import Contents, Found
from ostiary_delivery.definition import Container
from ostiary_delivery.errors import Refusal, Tampered
from ostiary_delivery.verifying import signatures
from ostiary_delivery.verifying.subject import Subject


@dataclass(frozen=True, slots=True)
class Row:
    """One promise; `holds` is None for what was not asked or cannot be seen."""

    what: str
    holds: bool | None
    told: str


def verify(
    container: Container, subject: Subject, *, at: build.Building, key: signatures.Key | None, scratch: Path
) -> Iterator[Row]:
    """Yield each promise about an image. `scratch` is an empty folder for the image that is built anew.

    Raises:
        Stale, Unreachable: what the lock names is not to be had, so nothing can be rebuilt.
    """
    lock = lockfile.load(container.folder)
    yield _tag(container, subject)
    inside, row = _blobs(subject)
    yield row
    if inside is not None:
        packages = [package for one in inside.values() for package in one.packages]
        yield _list("versions", build.promised(container, packages))
        yield _list("lock", build.complete(lock, packages) + _unlocked(container, lock, packages))
        yield _list("contents", audit.problems({name: one.files for name, one in inside.items()}))
    try:
        built = build.build(container, at=at)
    except Refusal as refusal:
        if refusal.exit_code != Refusal.exit_code:
            raise
        yield Row("rebuild", holds=False, told=str(refusal).splitlines()[0])
        return
    same = built.image.digest == subject.digest
    told = "gives the same digest" if same else f"gives {built.image.digest[:19]}; {_differing(built, subject)}"
    yield Row("rebuild", same, told)
    oci.save(scratch, built.image, blobs=built.blobs, tag=None)
    bill = sbom.bill(container, lock=lock, layout=oci.open_layout(scratch))
    yield from _signed(subject, key=key, bill=json.loads(bill), lock=lockfile.identity(lock), same=same)


def _tag(container: Container, subject: Subject) -> Row:
    if not subject.tag:
        return Row("tag", None, "none; the digest names the image")
    found = git.TAG.fullmatch(subject.tag)
    if found is None:
        return Row("tag", holds=False, told=f"{subject.tag} is not v<version>-<commit, 7 digits>")
    declared = container.version.replace("+", "_")
    return Row("tag", found["version"] == declared, f"{subject.tag}; declared is {container.version}")


def _blobs(subject: Subject) -> tuple[Mapping[str, Contents] | None, Row]:
    """Read every blob of the image, and return what is inside the layers."""
    try:
        table = subject.table()
        subject.blob(str(table["config"]["digest"]))
        layers = [str(one["digest"]) for one in table["layers"]]
        inside = {one: contents.read(subject.blob(one), name=one) for one in layers}
    except Tampered as error:
        return None, Row("bytes", holds=False, told=str(error))
    return inside, Row("bytes", holds=True, told=f"{len(layers)} layers are what {subject.digest[:19]} says")


def _unlocked(container: Container, lock: lockfile.Lock, packages: Sequence[Found]) -> list[str]:
    """Return one line for each package inside that nothing locks; the project's own wheel has the declared version."""
    locked = {("deb", one.name, one.version) for one in lock.debs}
    locked |= {("wheel", one.name, one.version) for one in lock.wheels}
    inside = {(one.kind, one.name, one.version) for one in packages} - locked
    return [
        f"{kind} {name} {version} is in the image and not locked"
        for kind, name, version in sorted(inside)
        if not (kind == "wheel" and container.wheels and version == container.version)
    ]


def _list(what: str, wrong: list[str]) -> Row:
    good = {
        "versions": "packages inside have the declared versions",
        "lock": "the packages inside are those of the lock",
        "contents": "no shell, no package manager, no setuid file",
    }
    return Row(what, not wrong, "; ".join(wrong) or good[what])


def _differing(built: build.Built, subject: Subject) -> str:
    there = {str(one["digest"]) for one in subject.table()["layers"]}
    titles = [part.layer.title for part in built.parts if part.layer.digest not in there]
    return f"other layers: {', '.join(titles)}" if titles else "the layers are the same, the configuration is not"


def _signed(
    subject: Subject, *, key: signatures.Key | None, bill: Mapping[str, Any], lock: str, same: bool
) -> Iterator[Row]:
    if subject.registry is None or key is None:
        why = "a folder holds none" if subject.registry is None else "not asked: give --key"
        yield from (Row(what, None, why) for what in ("signature", "bill", "provenance"))
        return
    wrong = signatures.signed(subject, key)
    yield Row("signature", wrong is None, wrong or "of this key, for this image at this place")
    told = signatures.statements(subject, key)
    yield _bill(told.get(provenance.CYCLONEDX), bill, same=same)
    origin = told.get(provenance.SLSA)
    said = _dig(origin, "buildDefinition", "internalParameters").get("lock")
    words = "names this lock" if said == lock else f"names the lock {str(said)[:12]}, and ours is {lock[:12]}"
    yield Row("provenance", said == lock, words if origin is not None else "there is none of this key")


def _bill(signed: object, made: Mapping[str, Any], *, same: bool) -> Row:
    if signed is None:
        return Row("bill", holds=False, told="there is none of this key")
    if signed == made:
        return Row("bill", holds=True, told=f"{len(made['components'])} packages with their hashes, as in the lock")
    theirs, ours = (_purls(one) for one in (signed, made))
    other = sorted(theirs ^ ours)
    words = f"other packages: {', '.join(other[:5])}" if other else "the packages are the same, other words are not"
    return Row("bill", holds=False, told=words if same else f"of another image; {words}")


def _purls(bill: object) -> set[str]:
    listed = bill.get("components") if isinstance(bill, dict) else None
    return {str(one.get("purl")) for one in listed or () if isinstance(one, dict)}


def _dig(value: object, *keys: str) -> Mapping[str, Any]:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
