"""Documents: field values as canonical JSON text, with their secrets sealed, and back.

The body of a document holds the fields; the reserved member "$sealed" holds the sealed texts by their path, so that
`reseal` needs to know no kind and an upcaster may rename a field that holds a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from ostiary.resource import Kind, Pk
from ostiary.resource.codec import decode, encode_canonical
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.store.database import NewerSchema

SEALED: Final = "$sealed"


def same(kind: Kind, one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Return whether two states are equal as documents, secrets compared in the clear."""
    return _comparable(kind, one) == _comparable(kind, other)


def round_trip(kind: Kind, values: Mapping[str, object]) -> dict[str, object]:
    """Return the values as they will be read back from storage."""
    secrets: dict[str, Secret] = {}
    body = cast("dict[str, object]", decode(encode_canonical(_extract(kind.dump(values), "", secrets))))
    for path, secret in secrets.items():
        _insert(body, path, secret)
    return kind.load(body, kind.schema)


def seal_body(kind: Kind, pk: Pk, values: Mapping[str, object], sealer: Sealer) -> dict[str, object]:
    """Return the document's body, with its secrets sealed to kind, object and path."""
    secrets: dict[str, Secret] = {}
    body = cast("dict[str, object]", _extract(kind.dump(values), "", secrets))
    if secrets:
        body[SEALED] = {
            path: sealer.seal(secret.reveal().encode(), context=_context(kind.name, pk, path))
            for path, secret in secrets.items()
        }
    return body


def open_body(kind: Kind, pk: Pk, body: Mapping[str, object], *, schema: int, sealer: Sealer) -> dict[str, object]:
    """Return the field values of a body of any earlier schema. Raises NewerSchema, WrongKey, Tampered."""
    if schema > kind.schema:
        raise NewerSchema(
            f"{kind.name} {pk} was written by a newer version: schema {schema}, the highest known is {kind.schema}"
        )
    opened = dict(body)
    sealed = cast("Mapping[str, str]", opened.pop(SEALED, {}))
    for path, text in sealed.items():
        plain = sealer.open(text, context=_context(kind.name, pk, path))
        _insert(opened, path, Secret(plain.decode()))
    return kind.load(opened, schema)


def _comparable(kind: Kind, values: Mapping[str, object]) -> str:
    return encode_canonical({name: field.clear(values[name]) for name, field in kind.fields.items()})


def _context(kind: str, pk: Pk, path: str) -> str:
    return f"{kind}/{pk}/{path}"


def _extract(value: object, path: str, secrets: dict[str, Secret]) -> object:
    if isinstance(value, Secret):
        secrets[path] = value
        return None
    if isinstance(value, Mapping):
        return {key: _extract(item, f"{path}/{key}" if path else key, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_extract(item, f"{path}/{index}", secrets) for index, item in enumerate(value)]
    return value


def _insert(body: dict[str, object], path: str, secret: Secret) -> None:
    *parents, last = path.split("/")
    place: Any = body
    for step in parents:
        place = place[int(step) if isinstance(place, list) else step]
    place[int(last) if isinstance(place, list) else last] = secret
