"""Provenance of an image: an in-toto statement with SLSA provenance 1 that lists every input with its hash."""

from __future__ import annotations

from typing import Any, Final

from ostiary_delivery import __version__
from ostiary_delivery.definition import Container
from ostiary_delivery.lockfile import Lock, identity
from ostiary_delivery.oci import Image, encode

STATEMENT: Final = "https://in-toto.io/Statement/v1"
SLSA: Final = "https://slsa.dev/provenance/v1"
CYCLONEDX: Final = "https://cyclonedx.org/bom"
BUILD_TYPE: Final = "https://ostiary.example/delivery/build/v1"
BUILDER: Final = "https://ostiary.example/delivery/builder"


def statement(image: Image, *, name: str, kind: str, predicate: object) -> bytes:
    """Return an in-toto statement (version 1) about an image."""
    subject = {"name": name, "digest": {"sha256": image.digest.removeprefix("sha256:")}}
    return encode({"_type": STATEMENT, "subject": [subject], "predicateType": kind, "predicate": predicate})


def provenance(container: Container, *, lock: Lock, commit: str | None) -> dict[str, Any]:
    """Return the SLSA predicate; `commit` is the full name of the commit, if there is one."""
    files = [one.artifact for one in lock.debs] + [one.artifact for one in lock.wheels]
    materials: list[dict[str, Any]] = [{"name": one.name, "digest": {"sha256": one.sha256}} for one in files]
    if commit:
        materials.append({"name": "source", "digest": {"gitCommit": commit}})
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"container": container.name, "version": container.version},
            "internalParameters": {"lock": identity(lock), "compressor": lock.compressor.name},
            "resolvedDependencies": materials,
        },
        "runDetails": {"builder": {"id": BUILDER, "version": {"ostiary-delivery": __version__}}},
    }
