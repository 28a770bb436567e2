"""The registration of this room with the application."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from ostiary.directory.attempts import Attempts
from ostiary.directory.authenticators.devices import Devices
from ostiary.directory.first_run.setup import Setup
from ostiary.directory.passwords.pool import Passwords
from ostiary.directory.tokens import Tokens
from ostiary.directory.users import Users
from ostiary.events.refusals import Refusals
from ostiary.events.signin_log import SignInLog
from ostiary.flows import consents, tables
from ostiary.flows.authenticators.static.stage import AuthenticatorStaticStage
from ostiary.flows.authenticators.totp.stage import AuthenticatorTOTPStage
from ostiary.flows.authenticators.webauthn.device_type import WebAuthnDeviceType
from ostiary.flows.authenticators.webauthn.stage import AuthenticatorWebAuthnStage
from ostiary.flows.consents import Consents
from ostiary.flows.engine import FlowEngine, plans_end, plans_move, proofs_end
from ostiary.flows.enrolment import authenticators_of
from ostiary.flows.handover import Handover
from ostiary.flows.links import repository as links
from ostiary.flows.links.link_url import hide_address
from ostiary.flows.links.repository import FlowLinks
from ostiary.flows.plans import repository
from ostiary.flows.plans.flow_start import first_start
from ostiary.flows.plans.pending_commit import first_responder
from ostiary.flows.plans.repository import Plans
from ostiary.flows.prompt.field import Prompt
from ostiary.flows.proofs.mfa_cookie import give_cookies
from ostiary.flows.resources import Flow, FlowStageBinding, Stage
from ostiary.flows.routes import routes as flow_routes
from ostiary.flows.run.dispatcher_factory import DispatcherFactory
from ostiary.flows.services import FlowHooks, Services
from ostiary.flows.stages.authenticator_validate import AuthenticatorValidateStage
from ostiary.flows.stages.consent import ConsentStage
from ostiary.flows.stages.deny import DenyStage
from ostiary.flows.stages.email import EmailStage
from ostiary.flows.stages.identification import IdentificationStage
from ostiary.flows.stages.password import PasswordStage
from ostiary.flows.stages.prompt import PromptStage
from ostiary.flows.stages.redirect import RedirectStage
from ostiary.flows.stages.user_login import UserLoginStage
from ostiary.flows.stages.user_logout import UserLogoutStage
from ostiary.flows.stages.user_write import UserWriteStage
from ostiary.mail.outbox import Outbox
from ostiary.policies.lookups.reputation import Reputation
from ostiary.policies.services import PolicyServices
from ostiary.resource import Registry
from ostiary.room import Room, Service
from ostiary.sandbox.evaluation.evaluator import Evaluator
from ostiary.seal import Secret
from ostiary.seal.derivation import DerivedKeys
from ostiary.seal.envelope import Sealer
from ostiary.sessions.sessions import Hooks, Sessions
from ostiary.store.configuration.plane import ConfigPlane
from ostiary.store.workspace.editor import Editor

if TYPE_CHECKING:
    from ostiary.room import ServiceRegistry
    from ostiary.web.asgi import Finish
    from ostiary.web.router import Route

STAGES: Final[tuple[type[Stage], ...]] = (
    IdentificationStage,
    PasswordStage,
    AuthenticatorValidateStage,
    AuthenticatorWebAuthnStage,
    AuthenticatorTOTPStage,
    AuthenticatorStaticStage,
    UserLoginStage,
    UserLogoutStage,
    UserWriteStage,
    PromptStage,
    ConsentStage,
    DenyStage,
    RedirectStage,
    EmailStage,
)


def session_hooks(_services: ServiceRegistry) -> Hooks:
    """Return the hooks that move and end plans with their session."""
    return Hooks(on_move=[plans_move], on_end=[plans_end], on_close=[proofs_end])


def devices(services: ServiceRegistry) -> Devices:
    """Return the devices of users, with all kinds that a stage sets up."""
    stages = [kind.model for kind in services[Registry]]
    return Devices(services.database, services[Sealer], authenticators_of(stages))


def flow_services(services: ServiceRegistry) -> Services:
    """Return the services of flows."""
    hooks = services[FlowHooks]
    return Services(
        database=services.database,
        plane=services[ConfigPlane],
        sessions=services[Sessions],
        users=services[Users],
        passwords=services[Passwords],
        devices=services[Devices],
        tokens=services[Tokens],
        attempts=services[Attempts],
        setup=services[Setup],
        editor=services[Editor],
        consents=Consents(services.database),
        plans=Plans(services.database, services[Sealer]),
        links=FlowLinks(services.database, services[Sealer]),
        outbox=services[Outbox],
        evaluator=services[Evaluator],
        policy_services=services[PolicyServices],
        reputation=services[Reputation],
        cookie_key=Secret(services[DerivedKeys].key("flows/cookie").hex()),
        unnamed=lambda: any(is_unnamed() for is_unnamed in hooks.unnamed),
        hosts=lambda: frozenset().union(*(named() for named in hooks.hosts)),
        internal_stages=dict(hooks.stages),
        find_start=first_start(hooks.find_start),
        answer_end=first_responder(hooks.answer_end),
        refusals=services[Refusals],
        sign_ins=services[SignInLog],
    )


def finishes(_services: ServiceRegistry) -> Iterable[Finish]:
    """Return the response hooks: the cookies of flows, and the Referrer-Policy of links."""
    return (give_cookies, hide_address)


def routes(services: ServiceRegistry) -> Sequence[Route]:
    """Return the routes of the JSON executor and of the redirects into flows."""
    flows, sessions, hosts = services[FlowEngine], services[Sessions], services[Services].hosts
    return flow_routes(flows, sessions, services[ConfigPlane], services.clock, hosts)


ROOM: Final = Room(
    name="flows",
    kinds=(Flow, FlowStageBinding, Prompt, WebAuthnDeviceType, *STAGES),
    migrations=tables.MIGRATIONS,
    sweeps=(repository.sweep_plans, repository.sweep_proofs, consents.sweep, links.sweep),
    services=(
        Service(Devices, devices),
        Service(Services, flow_services, site=True),
        Service(DispatcherFactory, lambda services: DispatcherFactory(services[Services]), site=True),
        Service(FlowEngine, lambda services: FlowEngine(services[DispatcherFactory]), site=True),
        Service(Handover, lambda services: Handover(services[DispatcherFactory]), site=True),
    ),
    hooks=(Service(Hooks, session_hooks), Service(FlowHooks, lambda _: FlowHooks(), site=True)),
    routes=routes,
    finishes=finishes,
)
