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

NO_VOCABULARY: Final[Vocabulary[Any]] = Vocabulary(shape=lambda _: None)
"""Nothing is evaluated natively."""

PROPERTY_MAPPING: Final = "authentik_core.propertymapping"


@dataclass(frozen=True, kw_only=True)
class PropertyMapping(Resource):
    """An expression that returns data about a user for applications.

    A kind has a `VOCABULARY`: the expressions that are evaluated natively, with their functions. `DIALECT` names the
    variables of its expressions (`sandbox.language.names.MAPPINGS`).
    """

    VOCABULARY: ClassVar[Vocabulary[Any]] = NO_VOCABULARY
    DIALECT: ClassVar[str] = "scope"

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


def advise_unasked(mapping: PropertyMapping) -> Iterable[Problem]:
    """Yield the same for a mapping whose protocol is not served yet, and that it is not."""
    yield from advise_mapping(mapping)
    yield Problem("expression", "is stored and can be tried (`ostiary mapping test`), and nothing evaluates it yet")


def _faults(mapping: PropertyMapping) -> Sequence[LanguageFault]:
    if can_evaluate(mapping.expression, mapping.VOCABULARY):
        return ()
    from ostiary.sandbox.language.names import MAPPINGS  # noqa: PLC0415 - not for those without expressions
    from ostiary.sandbox.language.program import check  # noqa: PLC0415 - as above

    return check(mapping.expression, MAPPINGS[mapping.DIALECT])
