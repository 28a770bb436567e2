"""Rollouts: hashed names of Jobs, and checksums of Secrets on pods.

The pod template of a Job is immutable, so a changed Job needs a new name. Containers read variables when they start, so
pods carry a checksum of their Secrets: a changed Secret then makes new pods.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml

from ostiary_delivery.errors import BadDefinition
from ostiary_delivery.manifests.keys import secrets_of
from ostiary_delivery.manifests.overlay import Object

CHECKSUM: Final = "ostiary-delivery/secrets"  # an annotation of pods
HASH_LENGTH: Final = 10  # of the hash behind a Job's name
NAME_LIMIT: Final = 63  # a Job's name is a label of its pods


def name_jobs(objects: Sequence[Object]) -> None:
    """Append a hash of its content to the name of each Job. The same content keeps its name.

    Raises:
        BadDefinition: the name with the hash is too long.
    """
    for one in objects:
        if one.get("kind") == "Job":
            name = f"{one['metadata']['name']}-{_hash(one['spec'])[:HASH_LENGTH]}"
            if len(name) > NAME_LIMIT:
                raise BadDefinition(
                    f"the name of Job {one['metadata']['name']} leaves no room for {HASH_LENGTH + 1} letters"
                )
            one["metadata"]["name"] = name


def read_secrets(text: str) -> dict[str, Any]:
    """Return the data of Secrets by name, from the output of `kubectl get secrets -o yaml` (or json).

    Raises:
        BadDefinition: it is neither a Secret nor a list of Secrets.
    """
    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise BadDefinition(f"the Secrets cannot be read: {error}") from error
    tables = [one for one in documents if isinstance(one, dict)]
    listed = [below for one in tables for below in (one["items"] if str(one.get("kind")).endswith("List") else [one])]
    if not listed or any(one.get("kind") != "Secret" for one in listed):
        raise BadDefinition("expected Secrets, as `kubectl get secrets -o yaml` prints them")
    return {str(one["metadata"]["name"]): [one.get("data"), one.get("stringData")] for one in listed}


def add_checksums(objects: Sequence[Object], secrets: Mapping[str, Any]) -> None:
    """Annotate each pod template with a checksum of the Secrets it reads.

    The checksum reveals nothing: it covers the whole Secret with its random values.

    Raises:
        BadDefinition: a Secret is missing in `secrets`.
    """
    for one in objects:
        template = ((one.get("spec") or {}).get("template")) or {}
        read = sorted(secrets_of(one))
        if not template or not read:
            continue
        missing = [name for name in read if name not in secrets]
        if missing:
            raise BadDefinition(f"{one['kind']} {one['metadata']['name']} reads {missing[0]}, which is not given")
        template.setdefault("metadata", {}).setdefault("annotations", {})[CHECKSUM] = _hash(
            {name: secrets[name] for name in read}
        )


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
