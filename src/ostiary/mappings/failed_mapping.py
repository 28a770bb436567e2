"""A mapping that could not be evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.mappings.resources import PropertyMapping


@dataclass(frozen=True, slots=True)
class FailedMapping:
    """The mapping, and the reason. The reason is only for administrators, as it may contain data of the user."""

    mapping: PropertyMapping
    reason: str
