"""What sign-on works with, handed over by the application."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.directory.users import Users
    from ostiary.flows.engine import FlowEngine
    from ostiary.sessions.sessions import Sessions
    from ostiary.store.configuration.plane import ConfigPlane
    from ostiary.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOnServices:
    """The rooms below, and a clock that gives microseconds UTC. A protocol adds its own."""

    database: Database
    plane: ConfigPlane
    users: Users
    sessions: Sessions
    engine: FlowEngine
    clock: Callable[[], int]
