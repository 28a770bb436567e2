"""OCI images (image specification 1.1): configuration, manifest, and the layout folder of blobs."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ostiary_delivery.definition import Container
from ostiary_delivery.errors import BadDefinition, Tampered
from ostiary_delivery.layer import Layer, digest_of
from ostiary_delivery.lockfile import Lock, identity

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
REFERENCE: Final = "org.opencontainers.image.ref.name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image: manifest and configuration as bytes, and the descriptors of its layers."""

    manifest: bytes
    config: bytes
    titles: tuple[str, ...]
    layers: tuple[Mapping[str, Any], ...]

    @property
    def digest(self) -> str:
        """Digest of the manifest, which identifies the image."""
        return digest_of(self.manifest)

    @property
    def size(self) -> int:
        """Size in bytes of layers, configuration and manifest."""
        return sum(int(one["size"]) for one in self.layers) + len(self.config) + len(self.manifest)


def assemble(container: Container, *, lock: Lock, layers: Sequence[Layer]) -> Image:
    """Assemble an image from layers."""
    config = encode(_config(container, lock, layers))
    descriptors = tuple({"mediaType": LAYER, "digest": one.digest, "size": one.size} for one in layers)
    manifest = encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": digest_of(config), "size": len(config)},
            "layers": list(descriptors),
        }
    )
    return Image(manifest=manifest, config=config, titles=tuple(one.title for one in layers), layers=descriptors)


def encode(value: object) -> bytes:
    """Return JSON with sorted keys and no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def save(folder: Path, image: Image, *, blobs: Mapping[str, bytes], tag: str | None) -> None:
    """Write an image layout, replacing an earlier one; `blobs` are the layers by digest."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent))
    temporary.chmod(0o755)
    store = temporary / "blobs" / "sha256"
    store.mkdir(parents=True)
    for data in (image.manifest, image.config, *blobs.values()):
        (store / digest_of(data).removeprefix("sha256:")).write_bytes(data)
    entry: dict[str, Any] = {"mediaType": MANIFEST, "digest": image.digest, "size": len(image.manifest)}
    if tag:
        entry["annotations"] = {REFERENCE: tag}
    (temporary / "oci-layout").write_bytes(encode({"imageLayoutVersion": "1.0.0"}))
    (temporary / "index.json").write_bytes(encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}))
    if folder.exists():
        shutil.rmtree(folder)
    temporary.rename(folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A folder with one image."""

    folder: Path
    image: Image
    tag: str | None

    def blob(self, digest: str) -> bytes:
        """Return a verified blob.

        Raises:
            Tampered: its digest differs; the message names the file.
        """
        return read_blob(self.folder, digest)


def open_layout(folder: Path) -> Layout:
    """Open a folder that holds one image.

    Raises:
        BadDefinition: it holds no image.
        Tampered: a blob does not have the digest in its name.
    """
    try:
        index = json.loads((folder / "index.json").read_bytes())
        entry = index["manifests"][0]
        manifest = read_blob(folder, entry["digest"])
        table = json.loads(manifest)
        config = read_blob(folder, table["config"]["digest"])
        history = json.loads(config).get("history", [])
        layers = tuple(table["layers"])
    except FileNotFoundError as error:
        raise BadDefinition(f"{folder} holds no image: build it first") from error
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise BadDefinition(f"{folder} holds no image that is understood: {error}") from error
    titles = tuple(str(one.get("created_by", "")) for one in history if not one.get("empty_layer"))
    image = Image(manifest=manifest, config=config, titles=titles, layers=layers)
    return Layout(folder=folder, image=image, tag=entry.get("annotations", {}).get(REFERENCE))


def read_blob(folder: Path, digest: str) -> bytes:
    """Return the verified bytes of a blob of a layout."""
    path = folder / "blobs" / "sha256" / digest.removeprefix("sha256:")
    data = path.read_bytes()
    if digest_of(data) != digest:
        raise Tampered(f"{path} is not what its name says: found {digest_of(data)}")
    return data


def _config(container: Container, lock: Lock, layers: Sequence[Layer]) -> dict[str, Any]:
    image = container.image
    created = datetime.fromtimestamp(lock.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    labels = {
        **image.labels,
        "org.opencontainers.image.version": container.version,
        "org.ostiary.delivery.lock": identity(lock),
        **({"org.ostiary.delivery.parent": container.parent} if container.parent else {}),
    }
    settings: dict[str, Any] = {
        "User": f"{image.user}:{image.user}",
        "Env": [f"{name}={value}" for name, value in sorted(image.environment.items())],
        "Entrypoint": list(image.entry),
        "Cmd": list(image.command),
        "ExposedPorts": {f"{port}/tcp": {} for port in image.ports},
        "Labels": labels,
        "WorkingDir": "/",
        "StopSignal": "SIGTERM",
    }
    return {
        "created": created,
        "architecture": lock.architecture,
        "os": "linux",
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [one.diff_id for one in layers]},
        "history": [{"created": created, "created_by": one.title} for one in layers],
    }
