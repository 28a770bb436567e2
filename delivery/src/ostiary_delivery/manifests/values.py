"""`ostiary-delivery secrets init`: makes the values that manifests ask for, and writes them for who keeps them."""

from __future__ import annotations

import json
import re
import secrets
import shlex
import string
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import yaml

from ostiary_delivery.errors import BadDefinition
from ostiary_delivery.manifests.keys import BASIC, OPAQUE, Asked

LETTERS: Final = string.ascii_letters + string.digits  # needs quoting nowhere
LENGTH: Final = 48  # 285 bits
SECRET: Final = re.compile(r"(^|-)(password|token|secret|key)$")
USUAL: Final = {"postgresql-port": "5432"}
RELOADED: Final = {"cnpg.io/reload": "true"}  # CloudNativePG then takes a changed password at once
ONCE: Final = "for `kubectl create -f -`, never for apply: new values over old ones, and all that is sealed is lost"


class Form(StrEnum):
    """How a set is written: objects by Secret, variables, an item for `op item create`, or Secrets for kubectl."""

    JSON = "json"
    ENV = "env"
    ONEPASSWORD = "1password"
    KUBERNETES = "kubernetes"


def make(want: Asked, *, given: Mapping[str, str]) -> dict[str, str]:
    """Return a value for each name: a given one, a known one, or for a secret a new one.

    Raises:
        BadDefinition: a given name is not asked for, or a value is neither given nor can be made.
    """
    names = want.names()
    strange = sorted(set(given) - set(names))
    if strange:
        raise BadDefinition(f"{', '.join(strange)} is not asked for; there are: {', '.join(names)}")
    told = {**USUAL, **want.known, **given}
    made = {name: told.get(name) or (_random() if SECRET.search(name) else "") for name in names}
    missing = [name for name, value in made.items() if not value]
    if missing:
        raise BadDefinition("these cannot be made up: " + " ".join(f"--set {name}=..." for name in missing))
    for name, value in made.items():
        if not value.isprintable():
            raise BadDefinition(f"the value of {name} is not one line of text")
    return made


def write(form: Form, values: Mapping[str, str], want: Asked) -> str:
    """Return a set as text."""
    if form is Form.JSON:
        return json.dumps(_by_secret(values, want), indent=2) + "\n"
    if form is Form.ENV:
        return "".join(f"{variable}={shlex.quote(values[name])}\n" for variable, name in want.variables.items())
    if form is Form.ONEPASSWORD:
        return json.dumps(_item(values, want), indent=2) + "\n"
    listed = [_secret(secret, keys, want) for secret, keys in _by_secret(values, want).items()]
    return f"# New values, {ONCE}.\n" + str(yaml.safe_dump_all(listed, sort_keys=False))


def _secret(name: str, keys: Mapping[str, str], want: Asked) -> dict[str, Any]:
    kind = want.types.get(name, OPAQUE)
    metadata: dict[str, Any] = {"name": name}
    if want.namespace:
        metadata["namespace"] = want.namespace
    if kind == BASIC:
        metadata["labels"] = RELOADED
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "stringData": dict(keys)}


def _by_secret(values: Mapping[str, str], want: Asked) -> dict[str, dict[str, str]]:
    return {secret: {key: values[name] for key, name in keys.items()} for secret, keys in want.keys.items()}


def _item(values: Mapping[str, str], want: Asked) -> dict[str, Any]:
    """Return a template for `op item create --template`; what is no secret is shown there."""
    fields = [
        {"id": name, "label": name, "type": "CONCEALED" if SECRET.search(name) else "STRING", "value": value}
        for name, value in values.items()
    ]
    return {"title": want.item or next(iter(want.keys), "Ostiary"), "category": "SECURE_NOTE", "fields": fields}


def _random() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
