"""Look-ups: how blueprints and forms identify objects.

An object must match all look-ups; `pk`, when given, is an alternative to all others. A name is a path in Django's
notation: a field, then its target ("target__slug"), a member of an object field ("attributes__team"), the kind within
a family ("stage__passwordstage__name"), or a referrer ("application__slug" of a provider). It may end with an operator.
A mapping means that an object field contains it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

from ostiary.record import dataclass
from ostiary.resource import InvalidResource, Kind, Pk, Problem, Registry
from ostiary.resource.field import Field, Shape
from ostiary.store.configuration.snapshot import targets
from ostiary.store.workspace.changes import Referrer, StoredObject, normal_pk
from ostiary.store.workspace.compare import EXACT, IS_NULL, OPERATORS, matches

HOP: Final = "__"
PK: Final = "pk"
MAX_HOPS: Final = 6  # hops of one path

_KEY: Final = Field(name=PK, shape=Shape.KEY, many=False, nullable=False, required=True, default=lambda: None)

Fetch = Callable[[str, Pk], Awaitable[StoredObject | None]]
"""Returns the object of a target (kind or family) by primary key."""

Referring = Callable[[StoredObject], Awaitable[Sequence[Referrer]]]
"""Returns the referrers of an object."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """One validated look-up: path, comparison, and expected value."""

    name: str
    path: tuple[str, ...]
    comparison: str
    value: object
    field: Field | None  # the first of the path, where that is one

    @property
    def is_simple(self) -> bool:
        """Return whether it compares a field of the object itself for equality."""
        return len(self.path) == 1 and self.comparison == EXACT and self.field is not None


@dataclass(frozen=True, slots=True)
class Query:
    """Validated look-ups of one kind. `pk` is an alternative to `rest`; without both, every object matches."""

    pk: Pk | None
    by_pk: bool
    rest: tuple[Lookup, ...]

    def pairs(self) -> list[tuple[str, object]]:
        """Return the look-ups that a backend can search by: no `pk`, and no operators."""
        return [(HOP.join(one.path), one.value) for one in self.rest if one.comparison == EXACT and one.path[-1] != PK]


def read_query(kind: Kind, lookups: Sequence[tuple[str, object]], registry: Registry) -> Query:
    """Validate look-ups. Raises InvalidResource with every name that is no path."""
    problems: list[Problem] = []
    rest: list[Lookup] = []
    pk: object = None
    for name, value in lookups:
        if name == PK:
            pk = value
            continue
        path, comparison = _read_name(name)
        if not _is_path([kind], path, registry):
            problems.append(Problem(name, f"is no field to find a {kind.name} by"))
        else:
            rest.append(Lookup(name, path, comparison, value, kind.fields.get(path[0])))
    if problems:
        raise InvalidResource(kind.name, problems)
    by_pk = any(name == PK for name, _ in lookups)
    return Query(normal_pk(kind, pk) if by_pk else None, by_pk, tuple(rest))


async def holds(stored: StoredObject, query: Query, fetch: Fetch, referring: Referring) -> bool:
    """Return whether an object matches all look-ups besides `pk`."""
    for one in query.rest:
        if not await _holds(stored, one, fetch, referring):
            return False
    return True


def _read_name(name: str) -> tuple[tuple[str, ...], str]:
    path = tuple(name.split(HOP))
    if len(path) > 1 and path[-1] in OPERATORS:
        return path[:-1], path[-1]
    return path, EXACT


def _is_path(kinds: Sequence[Kind], path: Sequence[str], registry: Registry) -> bool:
    """Return whether a path can lead to a value in one of the kinds."""
    return len(path) <= MAX_HOPS and any(_is_path_from(kind, path, registry) for kind in kinds)


def _is_path_from(kind: Kind, path: Sequence[str], registry: Registry) -> bool:
    first, rest = path[0], path[1:]
    field = kind.fields.get(first)
    if first == PK or (field is not None and (not rest or field.shape is Shape.OBJECT)):
        return first != PK or not rest
    if field is not None:
        return field.reference is not None and _is_path(registry.family(field.reference.target), rest, registry)
    if not rest:
        return False
    if first == kind.model_name:
        return _is_path_from(kind, rest, registry)
    return _is_path([one for one in registry if one.model_name == first and _refers(one, kind)], rest, registry)


def _refers(one: Kind, to: Kind) -> bool:
    return any(field.reference is not None and to.answers_to(field.reference.target) for field in one.fields.values())


async def _holds(stored: StoredObject, lookup: Lookup, fetch: Fetch, referring: Referring) -> bool:
    leaves = [leaf async for leaf in _leaves(stored, lookup.path, fetch, referring)]
    if lookup.comparison == IS_NULL:
        return (not leaves or any(value is None for _, value in leaves)) is (str(lookup.value).lower() in {"true", "1"})
    return any(matches(lookup.comparison, field, value, lookup.value) for field, value in leaves)


async def _leaves(
    stored: StoredObject, path: Sequence[str], fetch: Fetch, referring: Referring
) -> AsyncIterator[tuple[Field | None, object]]:
    """Yield the values at the end of a path, each with its field; None for parts of JSON data."""
    first, rest = path[0], path[1:]
    field = stored.kind.fields.get(first)
    if first == PK:
        yield _KEY, stored.pk
    elif field is not None and not rest:
        yield field, stored.values.get(first)
    elif field is not None and field.reference is None:
        for value in _member(stored.values.get(first), rest):
            yield None, value
    else:
        async for other in _follow(stored, first, field, fetch, referring):
            async for leaf in _leaves(other, rest, fetch, referring):
                yield leaf


async def _follow(
    stored: StoredObject, name: str, field: Field | None, fetch: Fetch, referring: Referring
) -> AsyncIterator[StoredObject]:
    """Yield the targets of one hop: a reference, the object itself as its kind, or its referrers."""
    if field is not None and field.reference is not None:
        for pk in targets(field, stored.values.get(name)):
            target = await fetch(field.reference.target, pk)
            if target is not None:
                yield target
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
