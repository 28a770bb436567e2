"""Running the expression of a mapping in the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from ostiary.mappings.failures import FailedMapping
from ostiary.record import dataclass
from ostiary.sandbox.answering.errors import ExpressionFailed
from ostiary.sandbox.answering.result import NO_EFFECTS, Effects
from ostiary.sandbox.answering.scene import Expression
from ostiary.sandbox.answering.views import ObjectReference
from ostiary.sandbox.language.names import MAPPING

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.mappings.asking import Asking
    from ostiary.mappings.resources import PropertyMapping
    from ostiary.sandbox.answering.result import Evaluation


@dataclass(frozen=True, slots=True)
class ToldClaims:
    """What a mapping says, and what its expression would like done."""

    claims: Mapping[str, object] = field(default_factory=dict)
    effects: Effects = NO_EFFECTS


async def execute(mapping: PropertyMapping, subject: Subject, asking: Asking) -> ToldClaims | FailedMapping:
    """Run a mapping whose expression returns a dictionary; None counts as an empty one."""
    if asking.evaluator is None:
        return FailedMapping(mapping, "expressions are not run here")
    expression = Expression(mapping.expression, MAPPING, f"property mapping {mapping.name}")
    fields = {"_kind": mapping.KIND.name, "pk": str(mapping.pk), "name": mapping.name}
    try:
        found = await asking.evaluator.evaluate(expression, asking.scene(subject, fields))
    except ExpressionFailed as error:
        return FailedMapping(mapping, str(error))
    return _told(mapping, found)


def _told(mapping: PropertyMapping, found: Evaluation) -> ToldClaims | FailedMapping:
    if found.depends:
        return FailedMapping(mapping, f"depends on {found.depends}")
    if found.skipped or found.value is None:
        return ToldClaims(effects=found.effects)
    if not isinstance(found.value, dict):
        return FailedMapping(mapping, f"returned a {type(found.value).__name__}, not a dictionary")
    if (name := _object(found.value)) is not None:
        return FailedMapping(mapping, f"returned an object as {name}: name one of its fields")
    return ToldClaims(found.value, found.effects)


def _object(value: object) -> str | None:
    """Return where an object stands in a value, None without one."""
    if isinstance(value, ObjectReference):
        return "an item"
    if isinstance(value, Mapping):
        return next((str(name) for name, item in value.items() if _object(item) is not None), None)
    if isinstance(value, list):
        return next((place for item in value if (place := _object(item)) is not None), None)
    return None
