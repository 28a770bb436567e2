"""What makes a cluster notice a change: the name of a Job, and the checksum of the Secrets that a pod reads.

A Job cannot be changed (Kubernetes refuses another pod template), so a changed one needs another name. A changed Secret
changes no pod, since variables are read when a container starts, so pods carry a checksum of what they read.
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
LETTERS: Final = 10  # of the hash behind a Job's name
LONGEST: Final = 63  # a Job's name is a label of its pods


def name_jobs(found: Sequence[Object]) -> None:
    """Put a hash of its content behind the name of each Job: the same content keeps its name.

    Raises:
        BadDefinition: the name is too long for a hash behind it.
    """
    for one in found:
        if one.get("kind") == "Job":
            name = f"{one['metadata']['name']}-{_hash(one['spec'])[:LETTERS]}"
            if len(name) > LONGEST:
                raise BadDefinition(
                    f"the name of Job {one['metadata']['name']} leaves no room for {LETTERS + 1} letters"
                )
            one["metadata"]["name"] = name


def read_secrets(text: str) -> dict[str, Any]:
    """Return the content of Secrets by name, from what `kubectl get secrets -o yaml` (or json) prints.

    Raises:
        BadDefinition: it is no Secret and no list of Secrets.
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


def add_checksums(found: Sequence[Object], secrets: Mapping[str, Any]) -> None:
    """Write into each pod template a checksum of the Secrets that it reads, so that another content makes new pods.

    Nothing can be guessed from it: it is over the whole Secret, whose random values are part of it.

    Raises:
        BadDefinition: a pod reads a Secret that is not given.
    """
    for one in found:
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
