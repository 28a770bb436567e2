"""What sign-on works with, handed over by the application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.directory.users import Users
    from ostiary.flows.engine import FlowEngine
    from ostiary.flows.handover import Handover
    from ostiary.sandbox.answering.evaluator import Evaluator
    from ostiary.sessions.sessions import Sessions
    from ostiary.store.configuration.plane import ConfigPlane
    from ostiary.store.database import Database
    from ostiary.web.request import Request
    from ostiary.web.response import Response


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOnServices:
    """The rooms below, and a clock that gives microseconds UTC. A protocol adds its own (`members`)."""

    database: Database
    plane: ConfigPlane
    users: Users
    sessions: Sessions
    engine: FlowEngine
    handover: Handover
    evaluator: Evaluator | None
    clock: Callable[[], int]

    def members(self) -> dict[str, Any]:
        """Return what is here by its names, for the services of a protocol."""
        return {item.name: getattr(self, item.name) for item in fields(SignOnServices)}


@dataclass(frozen=True, slots=True)
class ProtocolPages:
    """The pages that protocols answer with. Whoever makes pages offers them.

    `form_post` returns a page that posts these members to that address, which was checked before; `languages` are
    those in which pages can be read (BCP 47).
    """

    form_post: Callable[[Request, str, Mapping[str, str]], Response]
    languages: frozenset[str]
