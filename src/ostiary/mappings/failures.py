"""A mapping that could not be evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.mappings.resources import PropertyMapping


@dataclass(frozen=True, slots=True)
class FailedMapping:
    """The mapping, and why it says nothing. The reason is for administrators: it may hold data of the person."""

    mapping: PropertyMapping
    reason: str
