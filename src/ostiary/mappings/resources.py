"""The family of property mappings: the base of all mappings. Each kind has its own file.

A kind that only one protocol uses is in the room of that protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from ostiary.expressions import Vocabulary, can_evaluate
from ostiary.record import dataclass
from ostiary.resource import MULTILINE, UNIQUE, Help, Length, Problem, Resource

if TYPE_CHECKING:
    from ostiary.sandbox.language.fault import LanguageFault

PROPERTY_MAPPING: Final = "authentik_core.propertymapping"


@dataclass(frozen=True, kw_only=True)
class PropertyMapping(Resource):
    """An expression that returns data about a user for applications.

    A kind has a `VOCABULARY`: the expressions that are evaluated natively, with their functions.
    """

    VOCABULARY: ClassVar[Vocabulary[Any]]

    name: Annotated[str, UNIQUE, Length(1)]
    expression: Annotated[str, Length(1), MULTILINE, Help("Python expression that returns what applications are told.")]
    managed: Annotated[str | None, UNIQUE, Help("Key by which shipped objects are recognised.")] = None


def validate_mapping(mapping: PropertyMapping) -> Iterable[Problem]:
    """Yield the problems because of which an expression cannot run at all."""
    yield from (Problem("expression", str(fault)) for fault in _faults(mapping) if fault.fatal)


def advise_mapping(mapping: PropertyMapping) -> Iterable[Problem]:
    """Yield warnings for the administrator: the places at which the expression will fail."""
    for fault in _faults(mapping):
        if not fault.fatal:
            yield Problem("expression", f"{fault}; the mapping gives nothing when it gets there")


def _faults(mapping: PropertyMapping) -> Sequence[LanguageFault]:
    if can_evaluate(mapping.expression, mapping.VOCABULARY):
        return ()
    from ostiary.sandbox.language.names import MAPPING  # noqa: PLC0415 - not for those without expressions
    from ostiary.sandbox.language.program import check  # noqa: PLC0415 - as above

    return check(mapping.expression, MAPPING)
