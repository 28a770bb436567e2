"""The definition of a blueprint instance: a file, or a text, that is kept applied.

The time, result and hash of its last application are runtime state: see `states`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Annotated

from ostiary.resource import MULTILINE, UNIQUE, Help, Length, Problem, Resource, kind


def _problems(instance: BlueprintInstance) -> Iterable[Problem]:
    if bool(instance.path) == bool(instance.content):
        yield Problem("", "expected exactly one of path and content")


@kind(
    "authentik_blueprints.blueprintinstance",
    verbose_name="Blueprint Instance",
    component="",
    routes="managed/blueprints",
    check=_problems,
)
class BlueprintInstance(Resource):
    """One blueprint and whether it is applied."""

    name: Annotated[str, UNIQUE, Length(least=1)]
    path: Annotated[str, Help("Path below the blueprints directory.")] = ""
    content: Annotated[str, MULTILINE, Length(0, 2_000_000), Help("The blueprint itself, instead of a path.")] = ""
    enabled: Annotated[bool, Help("Whether changes of the file are applied.")] = True
    context: Annotated[Mapping[str, object], Help("Values for !Context; they win over those of the file.")] = (
        dataclasses.field(default_factory=dict)
    )
