"""The services of sign-on, injected by the application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.directory.users import Users
    from ostiary.flows.engine import FlowEngine
    from ostiary.flows.handover import Handover
    from ostiary.policies.services import PolicyServices
    from ostiary.sandbox.evaluation.evaluator import Evaluator
    from ostiary.sessions.sessions import Sessions
    from ostiary.store.configuration.plane import ConfigPlane
    from ostiary.store.database import Database
    from ostiary.web.request import Request
    from ostiary.web.response import Response


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOnServices:
    """The services that sign-on uses. `clock` returns microseconds UTC. A protocol adds its own (`members`)."""

    database: Database
    plane: ConfigPlane
    users: Users
    sessions: Sessions
    engine: FlowEngine
    handover: Handover
    evaluator: Evaluator | None
    policy_services: PolicyServices
    clock: Callable[[], int]

    def members(self) -> dict[str, Any]:
        """Return the fields as keyword arguments, for the services of a protocol."""
        return {item.name: getattr(self, item.name) for item in fields(SignOnServices)}


@dataclass(frozen=True, slots=True)
class ProtocolPages:
    """The pages that protocols respond with. The portal provides them.

    `form_post` returns a page that posts parameters to an address; the caller has validated the address. `languages`
    are the languages of the pages (BCP 47).
    """

    form_post: Callable[[Request, str, Mapping[str, str]], Response]
    languages: frozenset[str]
