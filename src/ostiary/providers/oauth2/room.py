"""The registration of this room with the application."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from ostiary.directory.install import Installation
from ostiary.directory.rows.backend import AccountHooks
from ostiary.directory.users import Users
from ostiary.events.refusals import Refusals
from ostiary.events.signin_log import SignInLog
from ostiary.flows.services import FlowHooks
from ostiary.grants.access_tokens import ApiTokens
from ostiary.providers.oauth2.authorize.endpoint import authorize_endpoint
from ostiary.providers.oauth2.device.page import approval_endpoint, code_endpoint
from ostiary.providers.oauth2.device.stages import STAGES
from ostiary.providers.oauth2.explain import preview
from ostiary.providers.oauth2.logout import backchannel
from ostiary.providers.oauth2.logout.frontchannel import frontchannel_hook
from ostiary.providers.oauth2.logout.session_management import BrowserState
from ostiary.providers.oauth2.options import Options, Rate
from ostiary.providers.oauth2.protected.own_api import find_api_user
from ostiary.providers.oauth2.provider.definition import OAuth2Provider
from ostiary.providers.oauth2.routes import routes as protocol_routes
from ostiary.providers.oauth2.services import OAuth2Services
from ostiary.room import Job, Measure, Room, Service
from ostiary.seal.derivation import DerivedKeys
from ostiary.sessions.cookie import CookieSettings
from ostiary.sessions.sessions import Hooks, Sessions
from ostiary.settings import Settings
from ostiary.signon.explain.preview import ProtocolPreviews
from ostiary.signon.services import ProtocolPages, SignOnServices
from ostiary.store.configuration.plane import ConfigPlane

if TYPE_CHECKING:
    from ostiary.room import ServiceRegistry
    from ostiary.signon.protocols import ProtocolEndpoint
    from ostiary.web.asgi import Finish
    from ostiary.web.router import Route


def options(services: ServiceRegistry) -> Options:
    """Return the operator's settings of the protocol."""
    settings, keys = services[Settings], services[DerivedKeys]
    return Options(
        certificate_header=settings.mtls.header or "",
        nonce_key=keys.key("oauth2/dpop-nonce") if settings.dpop.nonce == "required" else None,
        refresh_key=keys.key("oauth2/refresh"),
        device_rate=Rate(settings.throttle.device.most, settings.throttle.device.window),
    )


def oauth2_services(services: ServiceRegistry) -> OAuth2Services:
    """Return what the endpoints work with."""
    pages = services[ProtocolPages]
    return OAuth2Services(
        **services[SignOnServices].members(),
        form_post=pages.form_post,
        languages=pages.languages,
        options=services[Options],
        refusals=services[Refusals],
        sign_ins=services[SignInLog],
    )


def session_hooks(services: ServiceRegistry) -> Hooks:
    """Return the logout notices of a session that ends: back-channel and front-channel."""
    plane = services[ConfigPlane]
    on_end = backchannel.Notices(plane).on_session_end
    return Hooks(on_end=[on_end], on_frontchannel=[frontchannel_hook(services.database, plane)])


def account_hooks(services: ServiceRegistry) -> AccountHooks:
    """Return the logout notices of an account that ends."""
    return AccountHooks(on_ended=[backchannel.Notices(services[ConfigPlane]).on_user_ended])


def flow_hooks(_services: ServiceRegistry) -> FlowHooks:
    """Return the steps of the device flow."""
    return FlowHooks(stages=[*STAGES.items()])


def previews(services: ServiceRegistry) -> ProtocolPreviews:
    """Return what an application would be told, for explanations."""
    return ProtocolPreviews([preview(services[Installation].install_id)])


def api_tokens(services: ServiceRegistry) -> ApiTokens:
    """Return access tokens as our own API takes them."""
    return ApiTokens(partial(find_api_user, services.database, services[ConfigPlane]))


def finishes(services: ServiceRegistry) -> Sequence[Finish]:
    """Return what sets the cookie of session management."""
    return (BrowserState(services[Sessions], services[CookieSettings]).finish,)


def endpoints(services: ServiceRegistry) -> Sequence[ProtocolEndpoint]:
    """Return the endpoints at which people are signed on."""
    own = services[OAuth2Services]
    return (authorize_endpoint(own), code_endpoint(own), approval_endpoint(own))


def routes(services: ServiceRegistry) -> Sequence[Route]:
    """Return the endpoints."""
    return protocol_routes(services[OAuth2Services])


def jobs(services: ServiceRegistry) -> tuple[Job]:
    """Return the job that delivers logout tokens."""
    return (backchannel.job(services.database, services[ConfigPlane], services[Users]),)


def measures(services: ServiceRegistry) -> Iterable[Measure]:
    """Return what the token endpoint answered."""
    if OAuth2Services in services:  # only where requests are answered
        yield Measure(
            name="ostiary_tokens",
            summary="Answers of the token endpoint, by grant and result: issued, or the code of the error.",
            labels=("grant", "result"),
            kind="counter",
            read=lambda: services[OAuth2Services].token_answers,
        )


ROOM: Final = Room(
    name="oauth2",
    kinds=(OAuth2Provider,),
    services=(
        Service(Options, options, site=True),
        Service(OAuth2Services, oauth2_services, site=True),
        Service(ApiTokens, api_tokens, site=True),
    ),
    hooks=(
        Service(Hooks, session_hooks),
        Service(AccountHooks, account_hooks),
        Service(ProtocolPreviews, previews),
        Service(FlowHooks, flow_hooks, site=True),
    ),
    routes=routes,
    endpoints=endpoints,
    finishes=finishes,
    jobs=jobs,
    measures=measures,
)
