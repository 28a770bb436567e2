"""Claims of granted scopes: the mappings of a provider, compiled once for each snapshot."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Final

from ostiary.expressions import meaning_of
from ostiary.mappings.merge import merge
from ostiary.mappings.scope_mapping import ScopeMapping
from ostiary.mappings.stock import Native
from ostiary.record import dataclass
from ostiary.resource.bounded_cache import BoundedCache

if TYPE_CHECKING:
    from ostiary.directory.user import Subject

_CACHED: Final = 256  # results of one provider


@dataclass(frozen=True, slots=True)
class CompiledMapping:
    """A mapping with its function; None when its expression cannot be evaluated."""

    mapping: ScopeMapping
    native: Native | None


@dataclass(frozen=True, slots=True)
class Claims:
    """Merged claims, and the mappings that could not be evaluated."""

    values: Mapping[str, object]
    unavailable: tuple[ScopeMapping, ...]


class ClaimSet:
    """The scope mappings of one provider. They merge in the order of scope names, then of names."""

    __slots__ = ("_cache", "_compiled", "scopes")

    def __init__(self, mappings: Iterable[ScopeMapping]) -> None:
        ordered = sorted(mappings, key=lambda item: (item.scope_name, item.name))
        self._compiled = tuple(_compile(item) for item in ordered)
        self._cache: BoundedCache[tuple[int, tuple[str, ...]], tuple[Subject, Claims]] = BoundedCache(_CACHED)
        self.scopes = tuple(dict.fromkeys(item.scope_name for item in ordered))

    def claims(self, subject: Subject, scopes: tuple[str, ...]) -> Claims:
        """Return the claims of a person for `scopes`. Mappings read nothing but the person, so the result is cached.

        An entry holds for this `Subject` object alone: a person who was read again after a change is another object.
        """
        key = (subject.user.pk, scopes)
        entry = self._cache.get(key)
        if entry is None or entry[0] is not subject:
            entry = self._cache.keep(key, (subject, self._evaluate(subject, scopes)))
        return entry[1]

    def _evaluate(self, subject: Subject, scopes: Collection[str]) -> Claims:
        values: dict[str, object] = {}
        unavailable = []
        for item in self._compiled:
            if item.mapping.scope_name not in scopes:
                continue
            if item.native is None:
                unavailable.append(item.mapping)
            else:
                merge(values, item.native.build(subject))
        return Claims(values, tuple(unavailable))

    def pick(self, subject: Subject, names: AbstractSet[str]) -> dict[str, object]:
        """Return the claims of these names that a mapping of any scope gives (the `claims` parameter)."""
        values: dict[str, object] = {}
        for item in self._compiled:
            if item.native is not None and not names.isdisjoint(item.native.claims):
                merge(values, item.native.build(subject))
        return {name: value for name, value in values.items() if name in names}

    def claim_names(self, scopes: Collection[str] | None = None) -> tuple[str, ...]:
        """Return the names of claims that the mappings may give, for discovery; with `scopes` only those of them."""
        compiled = (item for item in self._compiled if scopes is None or item.mapping.scope_name in scopes)
        return tuple(dict.fromkeys(name for item in compiled if item.native for name in item.native.claims))

    def described(self, scopes: Collection[str]) -> tuple[ScopeMapping, ...]:
        """Return the mappings of `scopes`, for the consent page."""
        return tuple(item.mapping for item in self._compiled if item.mapping.scope_name in scopes)


def _compile(mapping: ScopeMapping) -> CompiledMapping:
    meaning = meaning_of(mapping.expression, mapping.VOCABULARY)
    return CompiledMapping(mapping, None if meaning is None else meaning.value)
