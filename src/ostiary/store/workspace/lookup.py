"""Look-ups: how blueprints and forms say which object they mean.

All look-ups must hold together, except that `pk`, when given, is an alternative to all the others. A name is a path as
Django writes it: a field, then what it refers to ("target__slug"), a member of an object field ("attributes__team"),
the kind of a family ("stage__passwordstage__name"), or what refers to the object ("application__slug" of a provider).
At its end may stand an operator. A mapping asks an object field to contain it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

from ostiary.record import dataclass
from ostiary.resource import InvalidResource, Kind, Pk, Problem, Registry
from ostiary.resource.field import Field, Shape
from ostiary.store.configuration.snapshot import targets
from ostiary.store.workspace.changes import Referrer, Stored, normal_pk
from ostiary.store.workspace.compare import EXACT, IS_NULL, OPERATORS, compared

HOP: Final = "__"
PK: Final = "pk"
LONGEST: Final = 6  # hops of one path

_KEY: Final = Field(name=PK, shape=Shape.KEY, many=False, nullable=False, required=True, default=lambda: None)

Fetch = Callable[[str, Pk], Awaitable[Stored | None]]
"""Returns the object of a target (kind or family) with a primary key."""

Referring = Callable[[Stored], Awaitable[Sequence[Referrer]]]
"""Returns what refers to an object."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """One checked look-up: its path, how it compares, and the value wanted."""

    name: str
    path: tuple[str, ...]
    how: str
    value: object
    field: Field | None  # the first of the path, where that is one

    @property
    def plain(self) -> bool:
        """Tell whether it asks a field of the object itself to be the value."""
        return len(self.path) == 1 and self.how == EXACT and self.field is not None


@dataclass(frozen=True, slots=True)
class Query:
    """Checked look-ups of one kind. `pk` is an alternative to `rest`; with neither, everything matches."""

    pk: Pk | None
    by_pk: bool
    rest: tuple[Lookup, ...]

    def pairs(self) -> list[tuple[str, object]]:
        """Return the look-ups that a backend may narrow its search by: no `pk`, and no operators."""
        return [(HOP.join(one.path), one.value) for one in self.rest if one.how == EXACT and one.path[-1] != PK]


def read_query(kind: Kind, lookups: Sequence[tuple[str, object]], registry: Registry) -> Query:
    """Check the names. Raises InvalidResource naming every one that is no field and no path."""
    problems: list[Problem] = []
    rest: list[Lookup] = []
    wanted: object = None
    for name, value in lookups:
        if name == PK:
            wanted = value
            continue
        path, how = _read_name(name)
        if not _leads([kind], path, registry):
            problems.append(Problem(name, f"is no field to find a {kind.name} by"))
        else:
            rest.append(Lookup(name, path, how, value, kind.fields.get(path[0])))
    if problems:
        raise InvalidResource(kind.name, problems)
    by_pk = any(name == PK for name, _ in lookups)
    return Query(normal_pk(kind, wanted) if by_pk else None, by_pk, tuple(rest))


async def holds(stored: Stored, query: Query, fetch: Fetch, referring: Referring) -> bool:
    """Tell whether all look-ups but `pk` hold for an object."""
    for one in query.rest:
        if not await _holds(stored, one, fetch, referring):
            return False
    return True


def _read_name(name: str) -> tuple[tuple[str, ...], str]:
    path = tuple(name.split(HOP))
    if len(path) > 1 and path[-1] in OPERATORS:
        return path[:-1], path[-1]
    return path, EXACT


def _leads(kinds: Sequence[Kind], path: Sequence[str], registry: Registry) -> bool:
    """Tell whether a path can lead to a value in one of the kinds."""
    return len(path) <= LONGEST and any(_leads_from(kind, path, registry) for kind in kinds)


def _leads_from(kind: Kind, path: Sequence[str], registry: Registry) -> bool:
    first, then = path[0], path[1:]
    field = kind.fields.get(first)
    if first == PK or (field is not None and (not then or field.shape is Shape.OBJECT)):
        return first != PK or not then
    if field is not None:
        return field.reference is not None and _leads(registry.family(field.reference.target), then, registry)
    if not then:
        return False
    if first == kind.model_name:
        return _leads_from(kind, then, registry)
    return _leads([one for one in registry if one.model_name == first and _refers(one, kind)], then, registry)


def _refers(one: Kind, to: Kind) -> bool:
    return any(field.reference is not None and to.answers_to(field.reference.target) for field in one.fields.values())


async def _holds(stored: Stored, one: Lookup, fetch: Fetch, referring: Referring) -> bool:
    found = [leaf async for leaf in _leaves(stored, one.path, fetch, referring)]
    if one.how == IS_NULL:
        return (not found or any(value is None for _, value in found)) is (str(one.value).lower() in {"true", "1"})
    return any(compared(one.how, field, value, one.value) for field, value in found)


async def _leaves(
    stored: Stored, path: Sequence[str], fetch: Fetch, referring: Referring
) -> AsyncIterator[tuple[Field | None, object]]:
    """Yield the values at the end of a path, each with its field; None for parts of JSON data."""
    first, then = path[0], path[1:]
    field = stored.kind.fields.get(first)
    if first == PK:
        yield _KEY, stored.pk
    elif field is not None and not then:
        yield field, stored.values.get(first)
    elif field is not None and field.reference is None:
        for value in _member(stored.values.get(first), then):
            yield None, value
    else:
        async for other in _next(stored, first, field, fetch, referring):
            async for leaf in _leaves(other, then, fetch, referring):
                yield leaf


async def _next(
    stored: Stored, name: str, field: Field | None, fetch: Fetch, referring: Referring
) -> AsyncIterator[Stored]:
    """Yield where one hop leads: along a reference, to the same object as its own kind, or to what refers to it."""
    if field is not None and field.reference is not None:
        for pk in targets(field, stored.values.get(name)):
            found = await fetch(field.reference.target, pk)
            if found is not None:
                yield found
    elif name == stored.kind.model_name:
        yield stored
    else:
        for one in await referring(stored):
            if one.stored.kind.model_name == name:
                yield one.stored


def _member(value: object, path: Sequence[str]) -> Iterable[object]:
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return
        value = value[name]
    yield value
