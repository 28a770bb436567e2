"""The claims of granted scopes: mappings made ready once, asked many times."""

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

_MANY: Final = 256  # answers of one provider that are kept


@dataclass(frozen=True, slots=True)
class Ready:
    """One mapping with its function; None when its expression is not available yet."""

    mapping: ScopeMapping
    native: Native | None


@dataclass(frozen=True, slots=True)
class Claims:
    """The merged claims, and the mappings that could not be asked."""

    values: Mapping[str, object]
    unavailable: tuple[ScopeMapping, ...]


class ClaimSet:
    """The mappings of one provider, in the order in which they merge: by scope name, then by name."""

    __slots__ = ("_kept", "_ready", "scopes")

    def __init__(self, mappings: Iterable[ScopeMapping]) -> None:
        ordered = sorted(mappings, key=lambda item: (item.scope_name, item.name))
        self._ready = tuple(_ready(item) for item in ordered)
        self._kept: BoundedCache[tuple[int, tuple[str, ...]], tuple[Subject, Claims]] = BoundedCache(_MANY)
        self.scopes = tuple(dict.fromkeys(item.scope_name for item in ordered))

    def claims(self, subject: Subject, scopes: tuple[str, ...]) -> Claims:
        """Return what the mappings of `scopes` say of the person. They read nothing else, so the answer is cached.

        It holds for this object alone: whoever was read again after a change is another one.
        """
        key = (subject.user.pk, scopes)
        kept = self._kept.get(key)
        if kept is None or kept[0] is not subject:
            kept = self._kept.keep(key, (subject, self._claims(subject, scopes)))
        return kept[1]

    def _claims(self, subject: Subject, scopes: Collection[str]) -> Claims:
        values: dict[str, object] = {}
        unavailable = []
        for item in self._ready:
            if item.mapping.scope_name not in scopes:
                continue
            if item.native is None:
                unavailable.append(item.mapping)
            else:
                merge(values, item.native.build(subject))
        return Claims(values, tuple(unavailable))

    def pick(self, subject: Subject, names: AbstractSet[str]) -> dict[str, object]:
        """Return single claims, whatever the scope: those of `names` that a mapping of the provider can give."""
        values: dict[str, object] = {}
        for item in self._ready:
            if item.native is not None and not names.isdisjoint(item.native.claims):
                merge(values, item.native.build(subject))
        return {name: value for name, value in values.items() if name in names}

    def claim_names(self, scopes: Collection[str] | None = None) -> tuple[str, ...]:
        """Return the claims the mappings may give, for discovery; only those of `scopes` when they are named."""
        ready = (item for item in self._ready if scopes is None or item.mapping.scope_name in scopes)
        return tuple(dict.fromkeys(name for item in ready if item.native for name in item.native.claims))

    def described(self, scopes: Collection[str]) -> tuple[ScopeMapping, ...]:
        """Return the mappings of `scopes`: what a person is asked to allow, and what needs no description."""
        return tuple(item.mapping for item in self._ready if item.mapping.scope_name in scopes)


def _ready(mapping: ScopeMapping) -> Ready:
    meaning = meaning_of(mapping.expression, mapping.VOCABULARY)
    return Ready(mapping, None if meaning is None else meaning.value)
