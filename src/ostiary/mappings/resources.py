"""The family of property mappings: the fields of every mapping. Each kind has a file of its own.

A kind of mapping that one protocol alone uses lies in the room of that protocol.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Final

from ostiary.expressions import Vocabulary, can_evaluate
from ostiary.record import dataclass
from ostiary.resource import MULTILINE, UNIQUE, Help, Length, Problem, Resource

PROPERTY_MAPPING: Final = "authentik_core.propertymapping"


@dataclass(frozen=True, kw_only=True)
class PropertyMapping(Resource):
    """An expression that says one thing about a person to applications.

    A kind names its `VOCABULARY`: the expressions that can be evaluated natively, and their functions.
    """

    VOCABULARY: ClassVar[Vocabulary[Any]]

    name: Annotated[str, UNIQUE, Length(1)]
    expression: Annotated[str, Length(1), MULTILINE, Help("Python expression that returns what applications are told.")]
    managed: Annotated[str | None, UNIQUE, Help("Key by which shipped objects are recognised.")] = None


def advise_mapping(mapping: PropertyMapping) -> Iterable[Problem]:
    """Yield what whoever saves a mapping should know: that its expression cannot be evaluated by this version."""
    if not can_evaluate(mapping.expression, mapping.VOCABULARY):
        yield Problem("expression", "is stored, but cannot be evaluated by this version: it gives nothing")
