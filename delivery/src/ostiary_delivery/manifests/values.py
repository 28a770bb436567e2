"""`ostiary-delivery secrets init`: generates the values that manifests need, for a password manager."""

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
from ostiary_delivery.manifests.keys import BASIC, OPAQUE, SecretRequirements

ALPHABET: Final = string.ascii_letters + string.digits  # needs quoting nowhere
LENGTH: Final = 48  # 285 bits
SECRET: Final = re.compile(r"(^|-)(password|token|secret|key)$")
DEFAULTS: Final = {"postgresql-port": "5432"}
RELOAD_LABELS: Final = {"cnpg.io/reload": "true"}  # CloudNativePG then takes a changed password at once
CREATE_ONCE: Final = (
    "for `kubectl create -f -`, never for apply: new values over old ones, and all that is sealed is lost"
)


class Form(StrEnum):
    """Output formats: JSON by Secret, variables, an item for `op item create`, or Secrets for kubectl."""

    JSON = "json"
    ENV = "env"
    ONEPASSWORD = "1password"
    KUBERNETES = "kubernetes"


def make(requirements: SecretRequirements, *, preset: Mapping[str, str]) -> dict[str, str]:
    """Return a value for each name: preset, known, or for a secret a new random one.

    Raises:
        BadDefinition: a preset name is not needed, or a value is neither known nor a secret.
    """
    names = requirements.names()
    unknown = sorted(set(preset) - set(names))
    if unknown:
        raise BadDefinition(f"{', '.join(unknown)} is not needed; there are: {', '.join(names)}")
    fixed = {**DEFAULTS, **requirements.known_values, **preset}
    values = {name: fixed.get(name) or (_random() if SECRET.search(name) else "") for name in names}
    missing = [name for name, value in values.items() if not value]
    if missing:
        raise BadDefinition("these cannot be generated: " + " ".join(f"--set {name}=..." for name in missing))
    for name, value in values.items():
        if not value.isprintable():
            raise BadDefinition(f"the value of {name} is not one line of text")
    return values


def write(form: Form, values: Mapping[str, str], requirements: SecretRequirements) -> str:
    """Format values as text."""
    if form is Form.JSON:
        return json.dumps(_by_secret(values, requirements), indent=2) + "\n"
    if form is Form.ENV:
        return "".join(f"{variable}={shlex.quote(values[name])}\n" for variable, name in requirements.variables.items())
    if form is Form.ONEPASSWORD:
        return json.dumps(_item(values, requirements), indent=2) + "\n"
    listed = [_secret(secret, keys, requirements) for secret, keys in _by_secret(values, requirements).items()]
    return f"# New values, {CREATE_ONCE}.\n" + str(yaml.safe_dump_all(listed, sort_keys=False))


def _secret(name: str, keys: Mapping[str, str], requirements: SecretRequirements) -> dict[str, Any]:
    kind = requirements.types.get(name, OPAQUE)
    metadata: dict[str, Any] = {"name": name}
    if requirements.namespace:
        metadata["namespace"] = requirements.namespace
    if kind == BASIC:
        metadata["labels"] = RELOAD_LABELS
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "stringData": dict(keys)}


def _by_secret(values: Mapping[str, str], requirements: SecretRequirements) -> dict[str, dict[str, str]]:
    return {secret: {key: values[name] for key, name in keys.items()} for secret, keys in requirements.keys.items()}


def _item(values: Mapping[str, str], requirements: SecretRequirements) -> dict[str, Any]:
    """Return a template for `op item create --template`; only secrets are concealed."""
    fields = [
        {"id": name, "label": name, "type": "CONCEALED" if SECRET.search(name) else "STRING", "value": value}
        for name, value in values.items()
    ]
    return {
        "title": requirements.item or next(iter(requirements.keys), "Ostiary"),
        "category": "SECURE_NOTE",
        "fields": fields,
    }


def _random() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
