"""The errors of this room.

HttpError
    UnknownFlow     404: no flow of that name
PlanChanged         (store.Conflict) somebody else answered first; the engine turns it into "look again"
"""

from __future__ import annotations

from ostiary.store.database import Conflict
from ostiary.web.errors import NotFound


class UnknownFlow(NotFound):
    """There is no such flow, or it has no stage that could run."""


class PlanChanged(Conflict):
    """The plan moved on since it was read. Nothing was written."""
