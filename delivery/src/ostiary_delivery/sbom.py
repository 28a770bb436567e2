"""The software bill of materials in CycloneDX 1.6: every package in the layers, with purl and hash.

It is reproducible: the time comes from the lock, the serial number from the digest, and everything is sorted.
"""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from ostiary_delivery import __version__, contents
from ostiary_delivery.contents import InstalledPackage
from ostiary_delivery.definition import Container
from ostiary_delivery.errors import Refusal
from ostiary_delivery.lockfile import Lock
from ostiary_delivery.oci import Layout

SOURCE: Final = re.compile(r"(?P<name>\S+)(?: \((?P<version>[^)]+)\))?")
SERIALS: Final = uuid.UUID("5b1f1c1e-7c35-5f0e-9a70-5f5d1a3a8a11")


def bill(container: Container, *, lock: Lock, layout: Layout) -> str:
    """Return the bill of materials of a built image.

    Raises:
        Refusal: the packages of the lock and of the layers differ.
    """
    packages = [
        one
        for layer in layout.image.layers
        for one in contents.read(layout.blob(str(layer["digest"])), name=str(layer["digest"])).packages
    ]
    hashes = {("deb", one.name, one.version): one.sha256 for one in lock.debs}
    hashes |= {("wheel", one.name, one.version): one.sha256 for one in lock.wheels}
    installed = {(one.kind, one.name, one.version) for one in packages}
    own_wheel = [key for key in installed - hashes.keys() if key[0] == "wheel" and key[2] == container.version]
    differences = (hashes.keys() ^ installed) - set(own_wheel)
    if differences:
        raise Refusal("lock and image differ: " + ", ".join(" ".join(one) for one in sorted(differences)))
    components = [_component(one, lock, hashes.get((one.kind, one.name, one.version))) for one in packages]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(SERIALS, layout.image.digest)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(lock.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {"components": [{"type": "application", "name": "ostiary-delivery", "version": __version__}]},
            "component": {
                "type": "container",
                "bom-ref": layout.image.digest,
                "name": container.name,
                "version": container.version,
                "hashes": [{"alg": "SHA-256", "content": layout.image.digest.removeprefix("sha256:")}],
            },
        },
        "components": sorted(components, key=lambda one: str(one["purl"])),
    }
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def _component(package: InstalledPackage, lock: Lock, sha256: str | None) -> dict[str, Any]:
    purl = _purl(package, lock)
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": package.name,
        "version": package.version,
        "purl": purl,
    }
    if sha256:
        component["hashes"] = [{"alg": "SHA-256", "content": sha256}]
    if package.license:
        component["licenses"] = [{"expression": package.license}]
    return component


def _purl(package: InstalledPackage, lock: Lock) -> str:
    """Return the package URL (purl): colons stay unescaped, qualifiers are sorted."""
    version = quote(package.version, safe=":")
    if package.kind == "wheel":
        return f"pkg:pypi/{package.name}@{version}"
    locked = next((one for one in lock.debs if one.name == package.name), None)
    qualifiers_by_name = {"arch": locked.architecture if locked else lock.architecture, "distro": _distribution(lock)}
    source = SOURCE.fullmatch(package.source)
    if source:  # the name that security trackers know
        qualifiers_by_name["upstream"] = source["name"] + (f"@{source['version']}" if source["version"] else "")
    qualifiers = "&".join(f"{name}={quote(value, safe=':')}" for name, value in qualifiers_by_name.items() if value)
    return f"pkg:deb/debian/{quote(package.name, safe='')}@{version}?{qualifiers}"


def _distribution(lock: Lock) -> str:
    """Return debian-<major>, as in os-release of the image."""
    return f"debian-{lock.suites[0].version.partition('.')[0]}" if lock.suites else ""
