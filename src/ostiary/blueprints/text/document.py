"""A blueprint as data: its name, context and entries, read from nodes. Nothing is resolved here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ostiary.blueprints.errors import Fault, Unreadable
from ostiary.blueprints.text.nodes import Items, KeyOf, Node, Plain, Table, Tag, walk
from ostiary.blueprints.text.source import TextPosition
from ostiary.record import dataclass

LABEL_INSTANTIATE: Final = "blueprints.goauthentik.io/instantiate"
_ENTRY_KEYS: Final = ("model", "id", "identifiers", "attrs", "state", "conditions", "permissions")
META_APPLY: Final = "authentik_blueprints.metaapplyblueprint"


@dataclass(frozen=True, slots=True)
class Entry:
    """One object that must exist, or must not."""

    index: int  # from 1, over all sections
    position: TextPosition
    model: Node
    id: str  # "" when there is none
    identifiers: Node | None
    attrs: Node | None
    state: Node | None
    conditions: tuple[Node, ...]
    permissions: Node | None
    unknown_keys: tuple[str, ...] = ()

    def describe(self, model: str = "") -> str:
        """Name the entry in messages."""
        if not model and isinstance(self.model, Plain):
            model = str(self.model.value)
        name = f'entry {self.index} "{self.id}"' if self.id else f"entry {self.index}"
        return f"{name} ({model})" if model else name


@dataclass(frozen=True, slots=True)
class Blueprint:
    """One blueprint: one transaction and one revision when applied."""

    path: str  # identity, e.g. "homelab.yaml" or "configmap.yaml#grafana.yaml"
    name: str  # metadata.name, else the path
    labels: Mapping[str, str]
    context: Mapping[str, Node]
    entries: tuple[Entry, ...]
    digest: str  # SHA-512 hex of its bytes
    position: TextPosition
    notices: tuple[str, ...] = ()

    @property
    def instantiate(self) -> bool:
        """False when the file asks not to get an instance by itself."""
        return self.labels.get(LABEL_INSTANTIATE, "true").strip().lower() != "false"


def read_blueprint(node: Node, *, path: str, digest: str) -> Blueprint:
    """Return the blueprint of a document. Raises Unreadable."""
    if not isinstance(node, Table) or not {"version", "entries"} & set(node.pairs):
        raise Unreadable.at(node.position, "is not a blueprint, expected a mapping with version and entries")
    _require_version(node)
    name, labels = _metadata(node.pairs.get("metadata"))
    context = _context(node.pairs.get("context"))
    entries = tuple(_entries(node.pairs.get("entries")))
    _require_known_ids(entries)
    notices = tuple(
        f"{entry.position}: {entry.describe()}: unknown key {key} is ignored"
        for entry in entries
        for key in entry.unknown_keys
    )
    return Blueprint(path, name or path, labels, context, entries, digest, node.position, notices)


def unconditional_model(entry: Entry) -> str:
    """Return the model of an entry that certainly creates or needs an object of it, else ""."""
    sure = not entry.conditions and (entry.state is None or isinstance(entry.state, Plain))
    deletes = isinstance(entry.state, Plain) and entry.state.value == "absent"
    if not sure or deletes or not isinstance(entry.model, Plain) or not isinstance(entry.model.value, str):
        return ""
    return "" if entry.model.value.lower() == META_APPLY else entry.model.value


def _require_version(node: Table) -> None:
    version = node.pairs.get("version")  # authentik takes a missing one as 1
    if version is None:
        return
    if not isinstance(version, Plain) or type(version.value) is not int or version.value != 1:
        raise Unreadable([Fault(version.position, "expected 1", field="version")])


def _metadata(node: Node | None) -> tuple[str, dict[str, str]]:
    if node is None or _is_null(node):
        return "", {}
    if not isinstance(node, Table):
        raise Unreadable([Fault(node.position, "expected a mapping with name and labels", field="metadata")])
    name = node.pairs.get("name")
    if not isinstance(name, Plain) or not isinstance(name.value, str) or not name.value:
        place = node.position if name is None else name.position
        raise Unreadable([Fault(place, "expected a text", field="metadata.name")])
    labels = node.pairs.get("labels")
    if labels is None or _is_null(labels):
        return name.value, {}
    if not isinstance(labels, Table):
        raise Unreadable([Fault(labels.position, "expected a mapping of texts", field="metadata.labels")])
    texts: dict[str, str] = {}
    for key, item in labels.pairs.items():
        if not isinstance(item, Plain):
            raise Unreadable([Fault(item.position, "expected a text", field=f"metadata.labels.{key}")])
        texts[str(key)] = str(item.value).lower() if isinstance(item.value, bool) else str(item.value)
    return name.value, texts


def _context(node: Node | None) -> dict[str, Node]:
    if node is None or _is_null(node):
        return {}
    if not isinstance(node, Table):
        raise Unreadable([Fault(node.position, "expected a mapping", field="context")])
    return {str(key): item for key, item in node.pairs.items()}


def _entries(node: Node | None) -> Iterator[Entry]:
    if node is None or _is_null(node):
        return
    if isinstance(node, Items):
        items = list(node.items)
    elif isinstance(node, Table):
        items = []
        for section, part in node.pairs.items():
            if not isinstance(part, Items):
                raise Unreadable([Fault(part.position, "expected a list of entries", field=f"entries.{section}")])
            items.extend(part.items)
    else:
        raise Unreadable([Fault(node.position, "expected a list of entries, or sections of them", field="entries")])
    for index, item in enumerate(items, 1):
        yield _entry(index, item)


def _entry(index: int, node: Node) -> Entry:
    if not isinstance(node, Table):
        raise Unreadable([Fault(node.position, "expected a mapping with model and identifiers", f"entry {index}")])
    pairs = node.pairs
    model, label = pairs.get("model"), f"entry {index}"
    if model is None or not (isinstance(model, Tag) or (isinstance(model, Plain) and isinstance(model.value, str))):
        place = node.position if model is None else model.position
        raise Unreadable([Fault(place, "expected a model such as authentik_core.group", label, "model")])
    conditions = pairs.get("conditions")
    if conditions is not None and not isinstance(conditions, Items) and not _is_null(conditions):
        raise Unreadable([Fault(conditions.position, "expected a list", label, "conditions")])
    return Entry(
        index=index,
        position=node.position,
        model=model,
        id=_entry_id(pairs.get("id"), label),
        identifiers=pairs.get("identifiers"),
        attrs=pairs.get("attrs"),
        state=pairs.get("state"),
        conditions=conditions.items if isinstance(conditions, Items) else (),
        permissions=pairs.get("permissions"),
        unknown_keys=tuple(str(key) for key in pairs if key not in _ENTRY_KEYS),
    )


def _entry_id(node: Node | None, label: str) -> str:
    if node is None or _is_null(node):
        return ""
    if not isinstance(node, Plain) or not isinstance(node.value, str | int) or isinstance(node.value, bool):
        raise Unreadable([Fault(node.position, "expected a text", label, "id")])
    return str(node.value)


def _require_known_ids(entries: tuple[Entry, ...]) -> None:
    """Refuse a !KeyOf whose id is not in the file, before anything is applied. Raises Unreadable."""
    known = {entry.id for entry in entries if entry.id}
    faults = []
    for entry in entries:
        parts = (entry.model, entry.identifiers, entry.attrs, entry.state, *entry.conditions)
        for part in parts:
            if part is None:
                continue
            faults += [
                Fault(node.position, f"!KeyOf {node.id}: expected the id of an entry before this one", entry.describe())
                for node in walk(part)
                if isinstance(node, KeyOf) and node.id not in known
            ]
    if faults:
        raise Unreadable(faults)


def _is_null(node: Node) -> bool:
    return isinstance(node, Plain) and node.value is None
