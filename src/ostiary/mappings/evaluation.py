"""The evaluation of a mapping in the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from ostiary.mappings.failed_mapping import FailedMapping
from ostiary.record import dataclass
from ostiary.sandbox.evaluation.errors import ExpressionFailed
from ostiary.sandbox.evaluation.expression_context import Expression
from ostiary.sandbox.evaluation.object_fields import ObjectReference
from ostiary.sandbox.evaluation.result import NO_EFFECTS, Effects
from ostiary.sandbox.language.names import MAPPINGS

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.mappings.mapping_context import MappingContext
    from ostiary.mappings.resources import PropertyMapping
    from ostiary.sandbox.evaluation.evaluator import Evaluator
    from ostiary.sandbox.evaluation.result import Evaluation


@dataclass(frozen=True, slots=True)
class MappingResult:
    """The claims of a mapping, and the effects of its expression."""

    claims: Mapping[str, object] = field(default_factory=dict)
    effects: Effects = NO_EFFECTS


async def evaluate_mapping(
    mapping: PropertyMapping, subject: Subject, mapping_context: MappingContext
) -> MappingResult | FailedMapping:
    """Evaluate a mapping. Its expression must return a dictionary; None counts as an empty one."""
    if mapping_context.evaluator is None:
        return FailedMapping(mapping, "expressions are not run here")
    try:
        return _mapping_result(
            mapping, await mapping_value(mapping, subject, mapping_context, mapping_context.evaluator)
        )
    except ExpressionFailed as error:
        return FailedMapping(mapping, str(error))


async def mapping_value(
    mapping: PropertyMapping, subject: Subject, mapping_context: MappingContext, evaluator: Evaluator
) -> Evaluation:
    """Evaluate a mapping of any kind. Raises ExpressionFailed."""
    expression = Expression(mapping.expression, MAPPINGS[mapping.DIALECT], f"property mapping {mapping.name}")
    fields = {"_kind": mapping.KIND.name, "pk": str(mapping.pk), "name": mapping.name}
    return await evaluator.evaluate(expression, mapping_context.expression_context(subject, fields))


def _mapping_result(mapping: PropertyMapping, found: Evaluation) -> MappingResult | FailedMapping:
    if found.depends:
        return FailedMapping(mapping, f"depends on {found.depends}")
    if found.skipped or found.value is None:
        return MappingResult(effects=found.effects)
    if not isinstance(found.value, dict):
        return FailedMapping(mapping, f"returned a {type(found.value).__name__}, not a dictionary")
    if (name := _object(found.value)) is not None:
        return FailedMapping(mapping, f"returned an object as {name}: name one of its fields")
    return MappingResult(found.value, found.effects)


def _object(value: object) -> str | None:
    """Return the position of an object in a value, None without one."""
    if isinstance(value, ObjectReference):
        return "an item"
    if isinstance(value, Mapping):
        return next((str(name) for name, item in value.items() if _object(item) is not None), None)
    if isinstance(value, list):
        return next((place for item in value if (place := _object(item)) is not None), None)
    return None
