"""What the endpoints work with, handed over by the application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ostiary.directory.users import Users
    from ostiary.flows.engine import FlowEngine
    from ostiary.sessions.gate import SessionGate
    from ostiary.store.database import Database
    from ostiary.store.plane import ConfigPlane


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The rooms below, and a clock that gives microseconds UTC."""

    database: Database
    plane: ConfigPlane
    users: Users
    gate: SessionGate
    engine: FlowEngine
    clock: Callable[[], int]
