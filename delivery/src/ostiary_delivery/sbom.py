"""The software bill of materials in CycloneDX 1.6: every package found inside the layers, with purl and hash.

Byte-stable: the time is the lock's, the serial number follows from the image's digest, everything is sorted.
"""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from ostiary_delivery import __version__, contents
from ostiary_delivery.contents import Found
from ostiary_delivery.definition import Container
from ostiary_delivery.errors import Refusal
from ostiary_delivery.lockfile import Lock
from ostiary_delivery.oci import Layout

SOURCE: Final = re.compile(r"(?P<name>\S+)(?: \((?P<version>[^)]+)\))?")
SERIALS: Final = uuid.UUID("5b1f1c1e-7c35-5f0e-9a70-5f5d1a3a8a11")


def bill(container: Container, *, lock: Lock, layout: Layout) -> str:
    """Return the bill of a built image.

    Raises:
        Refusal: a locked package is not inside, or one inside is not locked.
    """
    found = [
        one
        for layer in layout.image.layers
        for one in contents.read(layout.blob(str(layer["digest"])), name=str(layer["digest"])).packages
    ]
    hashes = {("deb", one.name, one.version): one.sha256 for one in lock.debs}
    hashes |= {("wheel", one.name, one.version): one.sha256 for one in lock.wheels}
    inside = {(one.kind, one.name, one.version) for one in found}
    own = [key for key in inside - hashes.keys() if key[0] == "wheel" and key[2] == container.version]
    strange = (hashes.keys() ^ inside) - set(own)
    if strange:
        raise Refusal("lock and image differ: " + ", ".join(" ".join(one) for one in sorted(strange)))
    components = [_component(one, lock, hashes.get((one.kind, one.name, one.version))) for one in found]
    told = {
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
    return json.dumps(told, indent=1, sort_keys=True) + "\n"


def _component(found: Found, lock: Lock, sha256: str | None) -> dict[str, Any]:
    purl = _purl(found, lock)
    told: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": found.name,
        "version": found.version,
        "purl": purl,
    }
    if sha256:
        told["hashes"] = [{"alg": "SHA-256", "content": sha256}]
    if found.license:
        told["licenses"] = [{"expression": found.license}]
    return told


def _purl(found: Found, lock: Lock) -> str:
    """Return the package's URL as its specification writes it: a colon stays, qualifiers are sorted."""
    version = quote(found.version, safe=":")
    if found.kind == "wheel":
        return f"pkg:pypi/{found.name}@{version}"
    locked = next((one for one in lock.debs if one.name == found.name), None)
    told = {"arch": locked.architecture if locked else lock.architecture, "distro": _distribution(lock)}
    source = SOURCE.fullmatch(found.source)
    if source:  # the name that security trackers know
        told["upstream"] = source["name"] + (f"@{source['version']}" if source["version"] else "")
    qualifiers = "&".join(f"{name}={quote(value, safe=':')}" for name, value in told.items() if value)
    return f"pkg:deb/debian/{quote(found.name, safe='')}@{version}?{qualifiers}"


def _distribution(lock: Lock) -> str:
    """Return debian-<major>, as os-release in the image says it."""
    return f"debian-{lock.suites[0].version.partition('.')[0]}" if lock.suites else ""
