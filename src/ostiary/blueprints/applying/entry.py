"""Applies one entry: conditions, state, identifiers, values, and unset secrets.

When the variable or file of a secret is missing, an existing object keeps its stored secret, with a notice. For a new
object it is an error that names the variable, even though many secrets have a generated default: an application
configured with another secret would only fail later, and nobody would know why. Leave the field out for the generated
default. Secrets that may be empty, such as a user's password, are left out with a notice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from ostiary.blueprints.applying.faults import field_node, from_resource, hints, masked
from ostiary.blueprints.applying.matches import best_match, but_pk, lookup_name
from ostiary.blueprints.applying.primary_keys import PrimaryKeys
from ostiary.blueprints.applying.resolve import Resolver
from ostiary.blueprints.errors import EntryRefused, Fault, WaitsFor
from ostiary.blueprints.models import did_you_mean, is_unbuilt, model_name, why_missing
from ostiary.blueprints.text.document import META_APPLY, Entry
from ostiary.blueprints.text.nodes import KeyOf, Node, Table, walk
from ostiary.blueprints.text.source import TextPosition
from ostiary.record import dataclass
from ostiary.resource import InvalidResource, Kind, Numbering, Pk
from ostiary.resource.marks import Flag
from ostiary.seal import Secret
from ostiary.store.workspace.changes import Key, Referenced, StoredObject
from ostiary.store.workspace.editor import Workspace

STATES: Final = ("present", "created", "must_created", "absent")

FindBlueprint = Callable[[Mapping[str, object]], str | None]
"""Returns the path of another blueprint, by name or path; None when there is none."""


@dataclass(frozen=True, slots=True)
class GeneratedSecret:
    """A secret that was generated because the file sets none."""

    label: str
    field: str
    secret: Secret


class EntryRun:
    """Applies the entries of one blueprint, in order, to one workspace."""

    def __init__(
        self,
        *,
        workspace: Workspace,
        resolver: Resolver,
        find_blueprint: FindBlueprint,
        finished: frozenset[str],
        remembered: Mapping[str, Pk] | None,
    ) -> None:
        self.notices: list[str] = []
        self.labels: dict[Key, str] = {}
        self.keys: dict[str, Pk] = dict(remembered or {})
        self.generated_secrets: list[GeneratedSecret] = []
        self._workspace = workspace
        self._resolver = resolver
        self._find_blueprint = find_blueprint
        self._finished = finished
        self._remembered = remembered
        self._deleted_ids: set[str] = set()
        self._primary_keys = PrimaryKeys()

    async def apply(self, entry: Entry) -> None:
        """Apply one entry. Raises Refused naming the entry, WaitsFor."""
        try:
            await self._apply(entry)
        except WaitsFor:
            raise
        except EntryRefused as error:
            faults = [fault if fault.entry else replace(fault, entry=entry.describe()) for fault in error.faults]
        except InvalidResource as error:
            faults = from_resource(error, entry, self._resolver.misses)
        except Referenced as error:
            faults = [Fault(entry.position, str(error), entry.describe(error.stored.kind.name))]
        else:
            return
        raise EntryRefused(masked(faults, self._resolver.revealed))

    async def _apply(self, entry: Entry) -> None:
        for condition in entry.conditions:
            if not await self._resolver.value(condition):
                self._resolver.absent[entry.id] = "its conditions do not hold"
                return
        raw_model = await self._resolver.value(entry.model)
        model = model_name(raw_model)
        if model == META_APPLY:
            await self._require_blueprint(entry)
            return
        registry = self._resolver.registry
        if not isinstance(raw_model, str) or model not in registry:
            if is_unbuilt(model, registry) and await self._state(entry) == "absent":
                self._resolver.absent[entry.id] = "its state is absent"
                self._add_notice(entry, f"model {raw_model} is not available yet, so there is nothing to delete")
                return
            raise _refused(entry, entry.model, why_missing(str(raw_model), (kind.name for kind in registry)), "")
        kind = registry.get(model)
        if self._depends_on_deleted(entry):
            self._skip_deleted(entry)
            return
        await self._apply_object(entry, kind)

    async def _apply_object(self, entry: Entry, kind: Kind) -> None:
        await self._require_permissions(entry)
        state = await self._state(entry)
        raw_identifiers = await self._table(entry, entry.identifiers, "identifiers")
        identifiers = self._primary_keys.identifiers(kind, raw_identifiers)
        if not identifiers:
            raise _refused(entry, entry.identifiers, "expected at least one field to find the object by", "identifiers")
        existing = await self._existing(entry, kind, identifiers, absent=state == "absent")
        if existing is None and entry.id and entry.id in (self._remembered or {}):
            self._skip_deleted(entry)
        elif state == "absent":
            await self._delete(entry, existing)
        elif existing is None:
            await self._create(entry, kind, identifiers)
        elif state == "must_created":
            raise _refused(entry, entry.identifiers, f"{kind.name} {existing.label} exists already", "identifiers")
        else:
            if "pk" in raw_identifiers:
                self._primary_keys.note(kind, raw_identifiers["pk"], existing.pk)
            await (self._record(entry, existing) if state == "created" else self._update(entry, existing, identifiers))

    async def _require_permissions(self, entry: Entry) -> None:
        """Refuse object permissions: an object without the grants its file asks for must not look applied."""
        if entry.permissions is not None and await self._resolver.value(entry.permissions):
            message = "granting permissions on an object is not available yet, remove the key"
            raise _refused(entry, entry.permissions, message, "permissions")

    async def _state(self, entry: Entry) -> str:
        state = "present" if entry.state is None else await self._resolver.value(entry.state)
        if state is None:
            return "present"
        if not isinstance(state, str) or state not in STATES:
            raise _refused(entry, entry.state, f"expected one of {', '.join(STATES)}", "state")
        return state

    async def _table(self, entry: Entry, node: Node | None, part: str) -> dict[str, object]:
        value = {} if node is None else await self._resolver.value(node)
        if value is None:
            return {}
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            raise _refused(entry, node, "expected a mapping of field names to values", part)
        return dict(value)

    async def _attributes(self, entry: Entry, kind: Kind) -> dict[str, object]:
        return self._primary_keys.attributes(kind, await self._table(entry, entry.attrs, "attrs"))

    async def _existing(
        self, entry: Entry, kind: Kind, identifiers: Mapping[str, object], *, absent: bool
    ) -> StoredObject | None:
        remembered = (self._remembered or {}).get(entry.id)
        if remembered is not None and (stored := await self._workspace.get(kind.name, remembered)) is not None:
            return stored
        faults = []
        for name, value in identifiers.items():
            why = () if value is not None else self._why(entry.identifiers, name)
            if why:
                node = field_node(entry, name) or entry.identifiers
                place = entry.position if node is None else node.position
                faults.append(Fault(place, "expected a value to find the object by", "", f"identifiers.{name}", why))
        if faults and (absent or entry.id in (self._remembered or {})):
            return None  # the object it belongs to does not exist, so it does not either
        if faults:
            raise EntryRefused([replace(fault, entry=entry.describe(kind.name)) for fault in faults])
        return await self._match(entry, kind, identifiers)

    async def _match(self, entry: Entry, kind: Kind, identifiers: Mapping[str, object]) -> StoredObject | None:
        pk = identifiers.get("pk")
        # Elsewhere the same number may be another object's.
        by_other_fields = kind.numbering is Numbering.INTEGER and len(identifiers) > 1
        if pk is not None and not by_other_fields and (by_pk := await self._workspace.get(kind.name, pk)) is not None:
            return by_pk
        lookups = [(lookup_name(name), value) for name, value in identifiers.items() if name != "pk"]
        if not lookups:
            return None
        try:
            matches = await self._workspace.match(kind.name, but_pk(lookups))
        except InvalidResource as error:
            label = entry.describe(kind.name)
            raise EntryRefused(
                [
                    Fault(_place(entry, p.field), p.message + _near(p.field, kind), label, f"identifiers.{p.field}")
                    for p in error.problems
                ]
            ) from None
        match, several = best_match(matches, lookups)
        if several:
            self._add_notice(entry, f"the identifiers {several}")
        if match is None and pk is not None and by_other_fields:
            return await self._workspace.get(kind.name, pk)
        return match

    async def _create(self, entry: Entry, kind: Kind, identifiers: Mapping[str, object]) -> None:
        values = await self._attributes(entry, kind)
        for name, value in identifiers.items():
            if name in kind.fields:
                values[name] = _joined(values.get(name), value)
        self._drop_unknown(entry, kind, values)
        faults = []
        for name, why in self._unset_secrets(entry, kind, values).items():
            if kind.fields[name].nullable:
                values.pop(name)
                self._add_notice(entry, f"{name} is left out: {why}")
                continue
            node = field_node(entry, name) or entry.attrs
            place = entry.position if node is None else node.position
            message = "a new object needs this secret: set it, or leave the field out to have one made"
            faults.append(Fault(place, message, entry.describe(kind.name), name, (why,)))
        if faults:
            raise EntryRefused(faults)
        self._report_nulls(entry, kind, values)
        stored = await self._workspace.create(kind.name, values, pk=identifiers.get("pk"))
        await self._record(entry, stored)
        for name, item in kind.fields.items():
            secret = stored.values.get(name)
            if item.sealed is not None and name not in values and isinstance(secret, Secret) and secret.reveal():
                self.generated_secrets.append(GeneratedSecret(self.labels[stored.key], name, secret))

    async def _update(self, entry: Entry, existing: StoredObject, identifiers: Mapping[str, object]) -> None:
        kind = existing.kind
        values = await self._attributes(entry, kind)
        for name, value in identifiers.items():
            # containment found the object; writing the part it names would drop the rest
            if name in kind.fields and (name in values or not isinstance(value, Mapping | list)):
                values[name] = _joined(values.get(name), value)
        self._drop_unknown(entry, kind, values)
        for name, why in self._unset_secrets(entry, kind, values).items():
            values.pop(name, None)
            self._add_notice(entry, f"{name} keeps what is stored: {why}")
        self._report_nulls(entry, kind, values)
        await self._record(entry, await self._workspace.update(existing, values))

    async def _delete(self, entry: Entry, existing: StoredObject | None) -> None:
        self._resolver.absent[entry.id] = "its state is absent"
        if existing is not None:
            await self._workspace.delete(existing)

    async def _require_blueprint(self, entry: Entry) -> None:
        """`metaapplyblueprint`: another blueprint must be applied before the next entry."""
        attrs = await self._table(entry, entry.attrs, "attrs")
        identifiers = attrs.get("identifiers")
        if not isinstance(identifiers, Mapping) or not identifiers:
            raise _refused(entry, entry.attrs, "expected a mapping with the name or path of a blueprint", "identifiers")
        path = self._find_blueprint({str(name): value for name, value in identifiers.items()})
        if path is not None:
            if path not in self._finished:
                raise WaitsFor(
                    path,
                    Fault(entry.position, f"the blueprint {path} must be applied first", entry.describe()),
                )
        elif attrs.get("required", True) is not False:
            raise _refused(entry, entry.attrs, "expected the name or path of an existing blueprint", "identifiers")

    def _unset_secrets(self, entry: Entry, kind: Kind, values: Mapping[str, object]) -> dict[str, str]:
        """Return the secret fields whose variable or file is missing, with the reason."""
        unset: dict[str, str] = {}
        for name, item in kind.fields.items():
            node = field_node(entry, name)
            if item.sealed is None or name not in values:
                continue
            if node is not None:
                why: tuple[str, ...] = (self._resolver.misses[node],) if node in self._resolver.misses else ()
            else:  # attrs as a whole come from a tag
                why = hints([entry.attrs], self._resolver.misses) if entry.attrs and values[name] is None else ()
            if why:
                unset[name] = "; ".join(why)
        return unset

    def _why(self, part: Node | None, name: str) -> tuple[str, ...]:
        node = part.pairs.get(name) if isinstance(part, Table) else part
        return () if node is None else hints([node], self._resolver.misses)

    def _report_nulls(self, entry: Entry, kind: Kind, values: Mapping[str, object]) -> None:
        """Report the optional fields that become null because a look-up failed. authentik reports nothing."""
        for name, value in values.items():
            node = field_node(entry, name)
            item = kind.fields.get(name)
            if value is None and item is not None and item.nullable and node is not None:
                why = self._resolver.misses.get(node)
                if why:
                    self._add_notice(entry, f"{name} is null: {why}")

    def _drop_unknown(self, entry: Entry, kind: Kind, values: dict[str, object]) -> None:
        """Drop unknown attributes, as authentik does, and report them."""
        for name in list(values):
            item = kind.fields.get(name)
            if item is None and (name not in kind.ignored or (name == "permissions" and values[name])):
                near = did_you_mean(name, kind.fields)
                self._add_notice(entry, f"{name} is no field of {kind.name} here and is ignored{near}")
            elif item is not None and Flag.READ_ONLY in item.flags:
                self._add_notice(entry, f"{name} cannot be set and is ignored")
            if item is None or Flag.READ_ONLY in item.flags:
                del values[name]

    def _add_notice(self, entry: Entry, text: str) -> None:
        self.notices.append(f"{entry.position}: {entry.describe()}: {text}")

    async def _record(self, entry: Entry, stored: StoredObject) -> None:
        self.labels[stored.key] = await self._name(stored)
        if stored.kind.advise is not None:
            for problem in stored.kind.advise(stored.item()):
                self._add_notice(entry, f"{stored.label}: {problem.field} {problem.message}")
        if entry.id and entry.id not in self._resolver.applied:
            self._resolver.applied[entry.id] = stored
            self.keys[entry.id] = stored.pk

    async def _name(self, stored: StoredObject) -> str:
        """Name an object in reports; a binding, which has only an order, by what it is bound to."""
        kind = stored.kind
        target = kind.fields.get("target")
        if kind.label_field != "order" or target is None or target.reference is None:
            return f"{kind.name} {stored.label}"
        bound = await self._workspace.get(target.reference.target, stored.values["target"])
        return f"{kind.name} {stored.values['order']} of {'nothing' if bound is None else bound.label}"

    def _skip_deleted(self, entry: Entry) -> None:
        """Skip an object of a shipped blueprint that somebody deleted, and with it the objects that depend on it."""
        self._deleted_ids.add(entry.id)
        self._resolver.absent[entry.id] = "it was deleted"

    def _depends_on_deleted(self, entry: Entry) -> bool:
        if not self._deleted_ids:
            return False
        parts = [part for part in (entry.identifiers, entry.attrs) if part is not None]
        return any(name in self._deleted_ids for name in _key_ids(parts))


def _near(name: str, kind: Kind) -> str:
    first = name.partition("__")[0]
    return "" if first in kind.fields else did_you_mean(first, kind.fields)


def _key_ids(parts: Sequence[Node]) -> set[str]:
    return {node.id for part in parts for node in walk(part) if isinstance(node, KeyOf)}


def _place(entry: Entry, name: str) -> TextPosition:
    part = entry.identifiers
    if isinstance(part, Table) and name in part.places:
        return part.places[name]
    return entry.position if part is None else part.position


def _refused(entry: Entry, node: Node | None, message: str, field: str) -> EntryRefused:
    return EntryRefused([Fault(entry.position if node is None else node.position, message, entry.describe(), field)])


def _joined(attribute: object, identifier: object) -> object:
    """Merge a field named in attrs and identifiers: the identifier wins, mappings are joined."""
    if isinstance(attribute, Mapping) and isinstance(identifier, Mapping):
        joined = dict(attribute)
        for key, value in identifier.items():
            joined[key] = _joined(joined.get(key), value)
        return joined
    return identifier
