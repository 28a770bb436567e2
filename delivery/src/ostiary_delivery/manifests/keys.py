"""The keys of Secrets that objects ask for, so that a set of secrets is complete because the manifests say so."""

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
class Asked:
    """What is asked for: keys by Secret, its type, items of a password manager, variables, and what is known."""

    keys: dict[str, dict[str, str]] = field(default_factory=dict)
    """Secret -> its key -> the name under which the value is made; two keys with one name have one value."""
    types: dict[str, str] = field(default_factory=dict)
    item: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    """Field of the item -> name of the value."""
    variables: dict[str, str] = field(default_factory=dict)
    """Environment variable -> name of the value."""
    known: dict[str, str] = field(default_factory=dict)
    """Name of a value -> the value, where the manifests themselves tell it."""
    namespace: str = ""

    def names(self) -> list[str]:
        """Return the names of all values, in the order they were found."""
        listed = [*self.fields.values(), *(name for keys in self.keys.values() for name in keys.values())]
        return list(dict.fromkeys(listed))


def asked(found: Sequence[Object]) -> Asked:
    """Return what objects ask for by secretKeyRef, by ExternalSecrets, and by the roles of CloudNativePG."""
    want = Asked()
    for one in found:
        for container in containers(one):
            want.namespace = want.namespace or str(_dig(one, "metadata").get("namespace", ""))
            for variable, secret, key in _references(container):
                want.keys.setdefault(secret, {})[key] = key
                want.variables[variable] = key
        if one.get("kind") == "ExternalSecret":
            _external(one, want)
        elif one.get("kind") == "Cluster":
            _cluster(one, want)
        elif one.get("kind") == "Database":
            want.known["postgresql-name"] = str(_dig(one, "spec").get("name", ""))
    return want


def secrets_of(one: Object) -> set[str]:
    """Return the names of the Secrets that an object's containers read as variables."""
    return {secret for container in containers(one) for _, secret, _ in _references(container)}


def unserved(found: Sequence[Object]) -> list[str]:
    """Return one line for each key that a pod needs and that the ExternalSecret of its Secret does not bring."""
    brought: dict[str, set[str]] = {}
    for one in found:
        if one.get("kind") == "ExternalSecret" and not _dig(one, "spec").get("dataFrom"):
            spec = _dig(one, "spec")
            secret = str(_dig(spec, "target").get("name") or _dig(one, "metadata").get("name"))
            brought.setdefault(secret, set()).update(str(entry["secretKey"]) for entry in spec.get("data") or ())
            brought[secret].update(_dig(spec, "target", "template", "data"))
    called = "{} {} needs {}, which the ExternalSecret of {} does not bring"
    return [
        called.format(one["kind"], _dig(one, "metadata").get("name"), key, secret)
        for one in found
        for container in containers(one)
        for _, secret, key in _references(container, optional=False)
        if secret in brought and key not in brought[secret]
    ]


def _references(container: Mapping[str, Any], *, optional: bool = True) -> Iterator[tuple[str, str, str]]:
    for variable in container.get("env") or ():
        reference = _dig(variable, "valueFrom", "secretKeyRef")
        if reference and (optional or not reference.get("optional")):
            yield str(variable["name"]), str(reference["name"]), str(reference["key"])


def _external(one: Object, want: Asked) -> None:
    spec = _dig(one, "spec")
    secret = str(_dig(spec, "target").get("name") or _dig(one, "metadata").get("name"))
    made = _dig(spec, "target", "template")
    for entry in spec.get("data") or ():
        remote = _dig(entry, "remoteRef")
        name = str(remote.get("property") or entry["secretKey"])
        want.item = want.item or str(remote.get("key", ""))
        want.fields[name] = name
        if not made:
            want.keys.setdefault(secret, {})[str(entry["secretKey"])] = name


def _cluster(one: Object, want: Asked) -> None:
    host = f"{_dig(one, 'metadata').get('name')}-rw"  # the Service that CloudNativePG makes for writing
    for role in _dig(one, "spec", "managed").get("roles") or ():
        secret = _dig(role, "passwordSecret").get("name")
        if secret:
            want.known |= {"postgresql-host": host, "postgresql-user": str(role["name"])}
            want.keys[str(secret)] = {"username": "postgresql-user", "password": PASSWORD}
            want.types[str(secret)] = BASIC


def _dig(table: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    for key in keys:
        below = table.get(key)
        table = below if isinstance(below, dict) else {}
    return table
