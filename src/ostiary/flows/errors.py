"""The errors of this room.

HttpError
    UnknownFlow     404: no flow of that name
PlanChanged         (store.Conflict) a concurrent request was first; the engine returns `Passed`
"""

from __future__ import annotations

from ostiary.store.database import Conflict
from ostiary.web.errors import NotFound


class UnknownFlow(NotFound):
    """There is no such flow, or it has no stage that could run."""


class PlanChanged(Conflict):
    """The plan was changed since it was read. Nothing was written."""
