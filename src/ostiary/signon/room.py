"""The registration of this room with the application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.directory.tokens import Tokens
from ostiary.directory.users import Users
from ostiary.flows.engine import FlowEngine
from ostiary.flows.handover import Handover
from ostiary.flows.services import FlowHooks
from ostiary.room import Room, Service
from ostiary.sandbox.answering.evaluator import Evaluator
from ostiary.sessions.sessions import Sessions
from ostiary.signon.explain.preview import ProtocolPreviews
from ostiary.signon.protocols import Protocols
from ostiary.signon.recovery import Recoverer
from ostiary.signon.services import SignOnServices
from ostiary.store.configuration.plane import ConfigPlane

if TYPE_CHECKING:
    from ostiary.room import ServiceRegistry


def sign_on_services(services: ServiceRegistry) -> SignOnServices:
    """Return what sign-on works with."""
    return SignOnServices(
        database=services.database,
        plane=services[ConfigPlane],
        users=services[Users],
        sessions=services[Sessions],
        engine=services[FlowEngine],
        handover=services[Handover],
        evaluator=services[Evaluator],
        clock=services.clock,
    )


def recoverer(services: ServiceRegistry) -> Recoverer:
    """Return what recovery links do."""
    return Recoverer(tokens=services[Tokens], sign_on=services[SignOnServices])


def flow_hooks(services: ServiceRegistry) -> FlowHooks:
    """Return what tells flows for which request a sign-in was begun, and what answers the request a flow leads to."""
    protocols = services[Protocols]
    return FlowHooks(begin_again=[protocols.begin_again], take_up=[protocols.take_up])


ROOM: Final = Room(
    name="signon",
    services=(
        Service(Protocols, lambda _: Protocols(), site=True),  # the application registers the endpoints of all rooms
        Service(SignOnServices, sign_on_services, site=True),
        Service(Recoverer, recoverer, site=True),
    ),
    hooks=(
        Service(FlowHooks, flow_hooks, site=True),
        Service(ProtocolPreviews, lambda _: ProtocolPreviews()),  # the rooms of protocols hang theirs there
    ),
)
