"""Look-ups: how blueprints and forms say which object they mean.

All look-ups must hold together, except that `pk`, when given, is an alternative to all the others. A name is a field,
a path of one hop ("user__username", or a member of an object field), and a mapping asks an object field to contain it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from ostiary.record import dataclass
from ostiary.resource import CASELESS, InvalidResource, Kind, Pk, Problem, Registry
from ostiary.resource.field import Field, Shape
from ostiary.store.snapshot import fold, targets
from ostiary.store.stored import Stored, normal_pk

HOP: Final = "__"

Fetch = Callable[[str, Pk], Awaitable[Stored | None]]
"""Returns the object of a target (kind or family) with a primary key."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """One checked look-up: a field, the rest of its path if any, and the value wanted."""

    name: str
    field: Field
    rest: str
    value: object


@dataclass(frozen=True, slots=True)
class Query:
    """Checked look-ups of one kind. `pk` is an alternative to `rest`; with neither, everything matches."""

    pk: Pk | None
    by_pk: bool
    rest: tuple[Lookup, ...]

    def pairs(self) -> list[tuple[str, object]]:
        """Return the look-ups without `pk`, as a backend takes them."""
        return [(one.name, one.value) for one in self.rest]


def read_query(kind: Kind, lookups: Sequence[tuple[str, object]], registry: Registry) -> Query:
    """Check the names. Raises InvalidResource naming every one that is no field and no path."""
    problems: list[Problem] = []
    rest: list[Lookup] = []
    wanted: object = None
    for name, value in lookups:
        if name == "pk":
            wanted = value
            continue
        first, _, then = name.partition(HOP)
        field = kind.fields.get(first)
        if field is None or (then and not _leads(field, then, registry)):
            problems.append(Problem(name, f"is no field to find a {kind.name} by"))
        else:
            rest.append(Lookup(name, field, then, value))
    if problems:
        raise InvalidResource(kind.name, problems)
    by_pk = any(name == "pk" for name, _ in lookups)
    return Query(normal_pk(kind, wanted) if by_pk else None, by_pk, tuple(rest))


async def holds(stored: Stored, query: Query, fetch: Fetch) -> bool:
    """Tell whether all look-ups but `pk` hold for an object."""
    for one in query.rest:
        if not await _holds(stored, one, fetch):
            return False
    return True


def equals(field: Field, value: object, wanted: object) -> bool:
    """Tell whether a field's value is the wanted one, or, for lists and mappings, contains it."""
    if value is None or wanted is None:
        return value is wanted
    if field.shape is Shape.OBJECT and not field.many:
        return contains(value, wanted)
    if field.many and isinstance(value, tuple):
        if isinstance(wanted, list | tuple):
            return len(wanted) == len(value) and all(_equal(field, a, b) for a, b in zip(value, wanted, strict=True))
        return any(_equal(field, item, wanted) for item in value)
    return _equal(field, value, wanted)


def contains(value: object, wanted: object) -> bool:
    """Tell whether JSON data contains other data, as PostgreSQL's @> does: members and items, at every level."""
    if isinstance(wanted, Mapping):
        return isinstance(value, Mapping) and all(
            key in value and contains(value[key], item) for key, item in wanted.items()
        )
    if isinstance(wanted, list | tuple):
        return isinstance(value, list | tuple) and all(any(contains(a, item) for a in value) for item in wanted)
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def _leads(field: Field, then: str, registry: Registry) -> bool:
    if field.shape is Shape.OBJECT:
        return True
    if field.reference is None or HOP in then:
        return False
    return then == "pk" or any(then in kind.fields for kind in registry.family(field.reference.target))


def _equal(field: Field, value: object, wanted: object) -> bool:
    if field.shape is Shape.KEY:
        return str(value).lower() == str(wanted).lower()
    try:
        parsed = field.item(wanted)
    except ValueError:
        return False
    if CASELESS in field.flags and isinstance(value, str) and isinstance(parsed, str):
        return fold(value) == fold(parsed)
    return value == parsed


async def _holds(stored: Stored, one: Lookup, fetch: Fetch) -> bool:
    value = stored.values.get(one.field.name)
    if not one.rest:
        return equals(one.field, value, one.value)
    if one.field.reference is None:
        return isinstance(value, Mapping) and one.rest in value and contains(value[one.rest], one.value)
    for pk in targets(one.field, value):
        target = await fetch(one.field.reference.target, pk)
        if target is not None and _hop(target, one):
            return True
    return False


def _hop(target: Stored, one: Lookup) -> bool:
    if one.rest == "pk":
        return str(target.pk) == str(one.value)
    field = target.kind.fields.get(one.rest)
    return field is not None and equals(field, target.values.get(one.rest), one.value)
