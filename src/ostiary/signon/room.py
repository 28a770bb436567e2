"""The registration of this room with the application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.directory.tokens import Tokens
from ostiary.directory.users import Users
from ostiary.events.signin_log import SignInLog
from ostiary.flows.engine import FlowEngine
from ostiary.flows.handover import Handover
from ostiary.flows.services import FlowHooks
from ostiary.mail.outbox import Outbox
from ostiary.policies.services import PolicyServices
from ostiary.room import Room, Service
from ostiary.sandbox.evaluation.evaluator import Evaluator
from ostiary.sessions.sessions import Sessions
from ostiary.signon.break_glass.codes import MIGRATIONS, BreakGlassCodes, sweep
from ostiary.signon.break_glass.entry import BreakGlass
from ostiary.signon.explain.preview import ProtocolPreviews
from ostiary.signon.protocols import Protocols
from ostiary.signon.recovery import Recoverer
from ostiary.signon.services import SignOnServices
from ostiary.store.configuration.plane import ConfigPlane

if TYPE_CHECKING:
    from ostiary.room import ServiceRegistry


def sign_on_services(services: ServiceRegistry) -> SignOnServices:
    """Return the services of sign-on."""
    return SignOnServices(
        database=services.database,
        plane=services[ConfigPlane],
        users=services[Users],
        sessions=services[Sessions],
        engine=services[FlowEngine],
        handover=services[Handover],
        evaluator=services[Evaluator],
        policy_services=services[PolicyServices],
        clock=services.clock,
    )


def recoverer(services: ServiceRegistry) -> Recoverer:
    """Return the service of recovery links."""
    return Recoverer(tokens=services[Tokens], sign_on=services[SignOnServices])


def flow_hooks(services: ServiceRegistry) -> FlowHooks:
    """Return the hooks by which flows find the start of a lost sign-in, and respond at the end of a flow."""
    protocols = services[Protocols]
    return FlowHooks(find_start=[protocols.find_start], answer_end=[protocols.answer_end])


def break_glass(services: ServiceRegistry) -> BreakGlass:
    """Return what break-glass codes open."""
    return BreakGlass(
        codes=services[BreakGlassCodes],
        sign_on=services[SignOnServices],
        outbox=services[Outbox],
        sign_ins=services[SignInLog],
    )


ROOM: Final = Room(
    name="signon",
    migrations=MIGRATIONS,
    sweeps=(sweep,),
    services=(
        Service(Protocols, lambda _: Protocols(), site=True),  # the application registers the endpoints of all rooms
        Service(SignOnServices, sign_on_services, site=True),
        Service(Recoverer, recoverer, site=True),
        Service(BreakGlassCodes, lambda services: BreakGlassCodes(services.database)),
        Service(BreakGlass, break_glass, site=True),
    ),
    hooks=(
        Service(FlowHooks, flow_hooks, site=True),
        Service(ProtocolPreviews, lambda _: ProtocolPreviews()),  # the rooms of protocols add theirs
    ),
)
