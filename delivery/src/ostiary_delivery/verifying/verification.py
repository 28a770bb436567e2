"""`ostiary-delivery verify`: rebuilds an image from its lock and checks each claim about it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ostiary_delivery import audit, build, contents, git, lockfile, oci, provenance, sbom
from ostiary_delivery.contents import Contents, InstalledPackage
from ostiary_delivery.definition import Container
from ostiary_delivery.errors import Refusal, Tampered
from ostiary_delivery.verifying import signatures
from ostiary_delivery.verifying.subject import Subject


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check; `holds` is None if it could not be made."""

    check: str
    holds: bool | None
    detail: str


def verify(
    container: Container, subject: Subject, *, at: build.BuildContext, key: signatures.Key | None, scratch: Path
) -> Iterator[CheckResult]:
    """Yield the results of all checks. `scratch` is an empty folder for the rebuilt image.

    Raises:
        Stale, Unreachable: inputs of the lock cannot be had, so nothing can be rebuilt.
    """
    lock = lockfile.load(container.folder)
    yield _tag(container, subject)
    contents_by_layer, row = _blobs(subject)
    yield row
    if contents_by_layer is not None:
        packages = [package for one in contents_by_layer.values() for package in one.packages]
        yield _result("versions", build.version_drift(container, packages))
        yield _result("lock", build.missing_packages(lock, packages) + _unlocked_packages(container, lock, packages))
        yield _result("contents", audit.validate_layers({name: one.files for name, one in contents_by_layer.items()}))
    try:
        built = build.build(container, at=at)
    except Refusal as refusal:
        if refusal.exit_code != Refusal.exit_code:
            raise
        yield CheckResult("rebuild", holds=False, detail=str(refusal).splitlines()[0])
        return
    same = built.image.digest == subject.digest
    detail = "gives the same digest" if same else f"gives {built.image.digest[:19]}; {_difference(built, subject)}"
    yield CheckResult("rebuild", same, detail)
    oci.save(scratch, built.image, blobs=built.blobs, tag=None)
    bill = sbom.bill(container, lock=lock, layout=oci.open_layout(scratch))
    yield from _verify_attachments(subject, key=key, bill=json.loads(bill), lock=lockfile.identity(lock), same=same)


def _tag(container: Container, subject: Subject) -> CheckResult:
    if not subject.tag:
        return CheckResult("tag", None, "none; the digest names the image")
    match = git.TAG.fullmatch(subject.tag)
    if match is None:
        return CheckResult("tag", holds=False, detail=f"{subject.tag} is not v<version>-<commit, 7 digits>")
    declared = container.version.replace("+", "_")
    return CheckResult("tag", match["version"] == declared, f"{subject.tag}; declared is {container.version}")


def _blobs(subject: Subject) -> tuple[Mapping[str, Contents] | None, CheckResult]:
    """Read every blob of the image; return the contents of the layers."""
    try:
        table = subject.table()
        subject.blob(str(table["config"]["digest"]))
        layers = [str(one["digest"]) for one in table["layers"]]
        contents_by_layer = {one: contents.read(subject.blob(one), name=one) for one in layers}
    except Tampered as error:
        return None, CheckResult("bytes", holds=False, detail=str(error))
    return contents_by_layer, CheckResult(
        "bytes", holds=True, detail=f"{len(layers)} layers are what {subject.digest[:19]} says"
    )


def _unlocked_packages(container: Container, lock: lockfile.Lock, packages: Sequence[InstalledPackage]) -> list[str]:
    """Return one line for each package that is not locked; the project's own wheel needs the declared version."""
    locked = {("deb", one.name, one.version) for one in lock.debs}
    locked |= {("wheel", one.name, one.version) for one in lock.wheels}
    unlocked = {(one.kind, one.name, one.version) for one in packages} - locked
    return [
        f"{kind} {name} {version} is in the image and not locked"
        for kind, name, version in sorted(unlocked)
        if not (kind == "wheel" and container.wheels and version == container.version)
    ]


def _result(check: str, problems: list[str]) -> CheckResult:
    success = {
        "versions": "packages inside have the declared versions",
        "lock": "the packages inside are those of the lock",
        "contents": "no shell, no package manager, no setuid file",
    }
    return CheckResult(check, not problems, "; ".join(problems) or success[check])


def _difference(built: build.BuiltImage, subject: Subject) -> str:
    present = {str(one["digest"]) for one in subject.table()["layers"]}
    titles = [part.layer.title for part in built.layers if part.layer.digest not in present]
    return f"other layers: {', '.join(titles)}" if titles else "the layers are the same, the configuration is not"


def _verify_attachments(
    subject: Subject, *, key: signatures.Key | None, bill: Mapping[str, Any], lock: str, same: bool
) -> Iterator[CheckResult]:
    if subject.registry is None or key is None:
        why = "a folder holds none" if subject.registry is None else "not asked: give --key"
        yield from (CheckResult(check, None, why) for check in ("signature", "bill", "provenance"))
        return
    problem = signatures.signed(subject, key)
    yield CheckResult("signature", problem is None, problem or "of this key, for this image at this place")
    predicates = signatures.statements(subject, key)
    yield _bill(predicates.get(provenance.CYCLONEDX), bill, same=same)
    origin = predicates.get(provenance.SLSA)
    signed_lock = _dig(origin, "buildDefinition", "internalParameters").get("lock")
    words = (
        "names this lock" if signed_lock == lock else f"names the lock {str(signed_lock)[:12]}, and ours is {lock[:12]}"
    )
    yield CheckResult("provenance", signed_lock == lock, words if origin is not None else "there is none of this key")


def _bill(signed: object, expected: Mapping[str, Any], *, same: bool) -> CheckResult:
    if signed is None:
        return CheckResult("bill", holds=False, detail="there is none of this key")
    if signed == expected:
        return CheckResult(
            "bill", holds=True, detail=f"{len(expected['components'])} packages with their hashes, as in the lock"
        )
    theirs, ours = (_purls(one) for one in (signed, expected))
    different = sorted(theirs ^ ours)
    words = (
        f"other packages: {', '.join(different[:5])}" if different else "the packages are the same, other words are not"
    )
    return CheckResult("bill", holds=False, detail=words if same else f"of another image; {words}")


def _purls(bill: object) -> set[str]:
    listed = bill.get("components") if isinstance(bill, dict) else None
    return {str(one.get("purl")) for one in listed or () if isinstance(one, dict)}


def _dig(value: object, *keys: str) -> Mapping[str, Any]:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
