"""A kind of another package, which refers to a flow."""

from __future__ import annotations

from typing import Annotated

from ostiary.resource import UNIQUE, Length, OnDelete, Reference, Resource, kind


@kind("garden.gate", verbose_name="Gate", component="ak-gate-form", routes="garden/gates")
class Gate(Resource):
    """A gate in the wall, and the flow behind it."""

    name: Annotated[str, UNIQUE, Length(least=1)]
    flow: Annotated[str | None, Reference("authentik_flows.flow", OnDelete.SET_NULL)] = None
