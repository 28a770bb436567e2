"""The environment variables of the process, as blueprints see them."""

from __future__ import annotations

from collections.abc import Mapping

from ostiary.record import dataclass


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment variables, by name."""

    values: Mapping[str, str]
