"""What this room gives to the application."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from garden.address_policy import AddressPolicy
from garden.fork_stage import ForkStage
from garden.gate import Gate
from garden.pigeon.authenticator import MIGRATIONS
from garden.pigeon.stage import PigeonStage
from garden.riddle_stage import RiddleStage
from garden.ticket import ticket_endpoint
from garden.ticket_mapping import TicketMapping
from garden.ticket_provider import TicketProvider
from ostiary.events.event import event
from ostiary.room import Room, Service, ServiceRegistry
from ostiary.sessions.sessions import Hooks
from ostiary.signon.endpoint import SignOnEndpoint
from ostiary.signon.services import SignOnServices
from ostiary.store.database import Statement
from ostiary.web.router import Route


def end_tickets(_session: bytes, now: int) -> Iterable[Statement]:
    """Return what ends with a session: here an event that says so."""
    return [event("custom_tickets_ended", user={}, app="ticket", context={}, client_ip=None, now=now)]


def endpoints(services: ServiceRegistry) -> Iterable[SignOnEndpoint[Any]]:
    """Return the endpoint at which people are signed on."""
    return [ticket_endpoint(services[SignOnServices])]


def routes(services: ServiceRegistry) -> Iterable[Route]:
    """Return its route."""
    return [Route("GET", "/ticket/", ticket_endpoint(services[SignOnServices]).answer, "ticket")]


ROOM: Final = Room(
    name="garden",
    kinds=(RiddleStage, ForkStage, PigeonStage, AddressPolicy, Gate, TicketProvider, TicketMapping),
    migrations=MIGRATIONS,
    templates=(Path(__file__).parent / "templates",),
    hooks=(Service(Hooks, lambda _services: Hooks(on_end=[end_tickets])),),
    endpoints=endpoints,
    routes=routes,
)
