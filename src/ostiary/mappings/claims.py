"""The claims of granted scopes: the mappings of a provider, compiled once per snapshot."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Final

from ostiary.expressions import meaning_of
from ostiary.mappings.failed_mapping import FailedMapping
from ostiary.mappings.merge import merge
from ostiary.mappings.scope_mapping import ScopeMapping
from ostiary.mappings.stock import NativeMapping
from ostiary.record import dataclass
from ostiary.resource.bounded_cache import BoundedCache

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.mappings.mapping_context import MappingContext
    from ostiary.sandbox.evaluation.result import Effects

_MAX_CACHED: Final = 256  # results of one provider


@dataclass(frozen=True, slots=True)
class CompiledMapping:
    """A mapping with its native function, None if it needs the sandbox. `names` are its claims, as far as known."""

    mapping: ScopeMapping
    native: NativeMapping | None
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claims:
    """Merged claims, the failed mappings, and the effects of expressions with the names of their mappings."""

    values: Mapping[str, object]
    failed: tuple[FailedMapping, ...] = ()
    effects: tuple[tuple[str, Effects], ...] = ()


NO_CLAIMS: Final = Claims({})


class ClaimSet:
    """The scope mappings of one provider. They are merged in the order of scope names, then of names."""

    __slots__ = ("_cache", "_compiled", "scopes")

    def __init__(self, mappings: Iterable[ScopeMapping]) -> None:
        ordered = sorted(mappings, key=lambda item: (item.scope_name, item.name))
        self._compiled = tuple(_compile(item) for item in ordered)
        self._cache: BoundedCache[tuple[int, tuple[str, ...]], tuple[Subject, Claims]] = BoundedCache(_MAX_CACHED)
        self.scopes = tuple(dict.fromkeys(item.scope_name for item in ordered))

    async def claims(self, subject: Subject, scopes: tuple[str, ...], mapping_context: MappingContext) -> Claims:
        """Return the claims of a user for `scopes`.

        Native mappings read only the user, so their result is cached. An entry is valid for this `Subject` object
        only: a user who was read again after a change is another object.
        """
        wanted = [item for item in self._compiled if item.mapping.scope_name in scopes]
        if any(item.native is None for item in wanted):
            return await _evaluated(wanted, subject, mapping_context)
        key = (subject.user.pk, scopes)
        entry = self._cache.get(key)
        if entry is None or entry[0] is not subject:
            entry = self._cache.keep(key, (subject, Claims(_merged(wanted, subject))))
        return entry[1]

    async def pick(self, subject: Subject, names: AbstractSet[str], mapping_context: MappingContext) -> Claims:
        """Return the claims with these names, from mappings of any scope (the `claims` parameter)."""
        wanted = [item for item in self._compiled if not names.isdisjoint(item.names)]
        found = await _evaluated(wanted, subject, mapping_context)
        values = {name: value for name, value in found.values.items() if name in names}
        return Claims(values, found.failed, found.effects)

    def claim_names(self, scopes: Collection[str] | None = None) -> tuple[str, ...]:
        """Return the names of possible claims, for discovery; with `scopes` only theirs."""
        compiled = (item for item in self._compiled if scopes is None or item.mapping.scope_name in scopes)
        return tuple(dict.fromkeys(name for item in compiled for name in item.names))

    def described(self, scopes: Collection[str]) -> tuple[ScopeMapping, ...]:
        """Return the mappings of `scopes`, for the consent page."""
        return tuple(item.mapping for item in self._compiled if item.mapping.scope_name in scopes)


def _merged(items: Iterable[CompiledMapping], subject: Subject) -> dict[str, object]:
    values: dict[str, object] = {}
    for item in items:
        if item.native is not None:
            merge(values, item.native.build(subject))
    return values


async def _evaluated(items: Iterable[CompiledMapping], subject: Subject, mapping_context: MappingContext) -> Claims:
    values: dict[str, object] = {}
    failed: list[FailedMapping] = []
    effects: list[tuple[str, Effects]] = []
    for item in items:
        if item.native is not None:
            merge(values, item.native.build(subject))
            continue
        from ostiary.mappings.evaluation import evaluate_mapping  # noqa: PLC0415 - not for those without expressions

        told = await evaluate_mapping(item.mapping, subject, mapping_context)
        if isinstance(told, FailedMapping):
            failed.append(told)
            continue
        merge(values, told.claims)
        effects.append((item.mapping.name, told.effects))
    return Claims(values, tuple(failed), tuple(effects))


def _compile(mapping: ScopeMapping) -> CompiledMapping:
    meaning = meaning_of(mapping.expression, mapping.VOCABULARY)
    if meaning is None:
        from ostiary.sandbox.language.returned_keys import returned_keys  # noqa: PLC0415 - as above

        return CompiledMapping(mapping, None, returned_keys(mapping.expression))
    return CompiledMapping(mapping, meaning.value, tuple(meaning.value.claims))


def combined(first: Claims, second: Claims) -> Claims:
    """Return the values of the first, with the failures and effects of both."""
    return Claims(first.values, (*first.failed, *second.failed), (*first.effects, *second.effects))
