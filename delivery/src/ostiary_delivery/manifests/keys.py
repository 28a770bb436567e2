"""The Secrets and keys that objects need. The manifests are the source, so a generated set is complete."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ostiary_delivery.manifests.images import containers
from ostiary_delivery.manifests.overlay import Object

BASIC: Final = "kubernetes.io/basic-auth"
OPAQUE: Final = "Opaque"
PASSWORD: Final = "postgresql-password"  # noqa: S105 - the name of a key


@dataclass(slots=True, kw_only=True)
class SecretRequirements:
    """Required secrets: keys and types by Secret, fields of an item, variables, and known values."""

    keys: dict[str, dict[str, str]] = field(default_factory=dict)
    """Secret -> key -> name of the value. Keys with the same name share a value."""
    types: dict[str, str] = field(default_factory=dict)
    item: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    """Field of the item -> name of the value."""
    variables: dict[str, str] = field(default_factory=dict)
    """Environment variable -> name of the value."""
    known_values: dict[str, str] = field(default_factory=dict)
    """Name of a value -> the value, where the manifests contain it."""
    namespace: str = ""

    def names(self) -> list[str]:
        """Return the names of all values, in the order of the manifests."""
        listed = [*self.fields.values(), *(name for keys in self.keys.values() for name in keys.values())]
        return list(dict.fromkeys(listed))


def required_secrets(objects: Sequence[Object]) -> SecretRequirements:
    """Collect secretKeyRefs, ExternalSecrets, and the roles of CloudNativePG."""
    requirements = SecretRequirements()
    for one in objects:
        for container in containers(one):
            requirements.namespace = requirements.namespace or str(_dig(one, "metadata").get("namespace", ""))
            for variable, secret, key in _references(container):
                requirements.keys.setdefault(secret, {})[key] = key
                requirements.variables[variable] = key
        if one.get("kind") == "ExternalSecret":
            _external(one, requirements)
        elif one.get("kind") == "Cluster":
            _cluster(one, requirements)
        elif one.get("kind") == "Database":
            requirements.known_values["postgresql-name"] = str(_dig(one, "spec").get("name", ""))
    return requirements


def secrets_of(one: Object) -> set[str]:
    """Return the names of the Secrets that an object's containers read as variables."""
    return {secret for container in containers(one) for _, secret, _ in _references(container)}


def missing_keys(objects: Sequence[Object]) -> list[str]:
    """Return one line for each key that a pod needs and its ExternalSecret does not provide."""
    provided: dict[str, set[str]] = {}
    for one in objects:
        if one.get("kind") == "ExternalSecret" and not _dig(one, "spec").get("dataFrom"):
            spec = _dig(one, "spec")
            secret = str(_dig(spec, "target").get("name") or _dig(one, "metadata").get("name"))
            provided.setdefault(secret, set()).update(str(entry["secretKey"]) for entry in spec.get("data") or ())
            provided[secret].update(_dig(spec, "target", "template", "data"))
    message = "{} {} needs {}, which the ExternalSecret of {} does not provide"
    return [
        message.format(one["kind"], _dig(one, "metadata").get("name"), key, secret)
        for one in objects
        for container in containers(one)
        for _, secret, key in _references(container, optional=False)
        if secret in provided and key not in provided[secret]
    ]


def _references(container: Mapping[str, Any], *, optional: bool = True) -> Iterator[tuple[str, str, str]]:
    for variable in container.get("env") or ():
        reference = _dig(variable, "valueFrom", "secretKeyRef")
        if reference and (optional or not reference.get("optional")):
            yield str(variable["name"]), str(reference["name"]), str(reference["key"])


def _external(one: Object, requirements: SecretRequirements) -> None:
    spec = _dig(one, "spec")
    secret = str(_dig(spec, "target").get("name") or _dig(one, "metadata").get("name"))
    template = _dig(spec, "target", "template")
    for entry in spec.get("data") or ():
        remote = _dig(entry, "remoteRef")
        name = str(remote.get("property") or entry["secretKey"])
        requirements.item = requirements.item or str(remote.get("key", ""))
        requirements.fields[name] = name
        if not template:
            requirements.keys.setdefault(secret, {})[str(entry["secretKey"])] = name


def _cluster(one: Object, requirements: SecretRequirements) -> None:
    host = f"{_dig(one, 'metadata').get('name')}-rw"  # the Service that CloudNativePG makes for writing
    for role in _dig(one, "spec", "managed").get("roles") or ():
        secret = _dig(role, "passwordSecret").get("name")
        if secret:
            requirements.known_values |= {"postgresql-host": host, "postgresql-user": str(role["name"])}
            requirements.keys[str(secret)] = {"username": "postgresql-user", "password": PASSWORD}
            requirements.types[str(secret)] = BASIC


def _dig(table: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    for key in keys:
        below = table.get(key)
        table = below if isinstance(below, dict) else {}
    return table
