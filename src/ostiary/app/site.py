"""The outer half: sessions, flows, pages, protocols and the API, behind one ASGI application."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from ostiary.api.caller import Callers
from ostiary.api.routes import Api
from ostiary.app.core import Core
from ostiary.app.errors import translate
from ostiary.app.health import Health
from ostiary.app.listening.tls import StrictTransport
from ostiary.app.logs import REQUEST_ID
from ostiary.app.metrics import Metrics
from ostiary.app.operator.recovery import Recoverer
from ostiary.directory.roles import roles_of
from ostiary.events.refusals import Refusals
from ostiary.flows.consents import Consents
from ostiary.flows.engine import FlowEngine
from ostiary.flows.plans.repository import Plans
from ostiary.flows.proofs.mfa_cookie import give_cookies
from ostiary.flows.services import Services as FlowServices
from ostiary.grants.access_tokens import find_access
from ostiary.portal.autosubmit import autosubmit_page
from ostiary.portal.error_page import ErrorPage
from ostiary.portal.look import Renderer, own_static, own_templates
from ostiary.portal.services import Pages
from ostiary.providers.oauth2.device.stages import STAGES as DEVICE_STAGES
from ostiary.providers.oauth2.logout.session_management import BrowserState
from ostiary.providers.oauth2.options import Options, Rate
from ostiary.providers.oauth2.provider.client import client_by_provider
from ostiary.providers.oauth2.services import OAuth2Services
from ostiary.providers.oauth2.tokens.access_token_format import is_meant_here
from ostiary.record import dataclass
from ostiary.room import ServiceRegistry
from ostiary.seal import Secret
from ostiary.sessions.cookie import CookieSettings
from ostiary.sessions.sessions import Hooks, Sessions
from ostiary.signon.protocols import ProtocolEndpoint, Protocols
from ostiary.signon.services import SignOnServices
from ostiary.store.hashing import token_hash
from ostiary.store.timeouts import begin_request
from ostiary.web.asgi import Finish, Site
from ostiary.web.proxies import Proxies
from ostiary.web.router import Router

if TYPE_CHECKING:
    from ostiary.web.request import Request
    from ostiary.web.response import Response
    from ostiary.web.router import Route

API_SCOPE: Final = "goauthentik.io/api"
"""The scope that lets an access token of OAuth2 use the API."""


@dataclass(frozen=True, slots=True)
class Built:
    """The ASGI application, and the parts of it that others ask for."""

    site: Site
    health: Health
    routes: Sequence[Route]
    services: ServiceRegistry


def build_site(core: Core, metrics: Metrics, health: Health | None = None) -> Built:
    """Build everything that answers requests; `health` is the process's, where it has background work to look at."""
    health = health or Health(core.database)
    sessions = _gate(core)
    refusals, protocols = Refusals(), Protocols()
    flows = _flow_services(core, sessions, refusals, protocols)
    engine = FlowEngine(flows)
    pages = _pages(core, sessions, engine, protocols)
    renderer = Renderer(pages.templates, pages.static, core.plane)
    services = OAuth2Services(
        database=core.database,
        plane=core.plane,
        users=core.users,
        sessions=sessions,
        engine=engine,
        clock=core.services.clock,
        form_post=partial(autosubmit_page, renderer),
        languages=pages.templates.catalogs.languages,
        options=_options(core),
        refusals=refusals,
    )
    callers = Callers(core.tokens, core.users, sessions, partial(_access_token_user, core))
    api = Api(callers, core.plane, partial(roles_of, core.database), core.services.clock)

    for_rooms = core.services.extended(sessions, engine, _sign_on(core, sessions, engine), services, api, pages)
    protocols.register(*(cast("ProtocolEndpoint", one) for room in core.rooms for one in room.endpoints(for_rooms)))
    routes = [*health.routes(), *(route for room in core.rooms for route in room.routes(for_rooms))]
    router = Router(metrics.measured(route) for route in routes)

    def unavailable(reason: str) -> None:
        metrics.unavailable(reason)
        health.noted(reason)

    site = Site(
        _with_request_id(router),
        prefix=core.settings.web.path,
        proxies=Proxies(core.settings.listen.trusted_proxy_cidrs),
        hosts=core.hosts,
        finish=_finishes(core, sessions),
        error_answer=ErrorPage(renderer),
        translate=translate,
        from_proxies=[core.settings.mtls.header] if core.settings.mtls.header else (),
        unavailable=unavailable,
    )
    return Built(site, health, routes, for_rooms)


def _finishes(core: Core, sessions: Sessions) -> Sequence[Finish]:
    """Return what is called with every answer, in order."""
    strict = StrictTransport(core.plane, core.settings.listen.hsts)
    return (sessions.finish, BrowserState(sessions, _cookies(core)).finish, give_cookies, strict.finish)


def _gate(core: Core) -> Sessions:
    """Return the gate of sessions, with what other rooms hang on their beginning, moving and end."""
    life = core.settings.sessions.unauthenticated_age
    return Sessions(core.database, _cookies(core), core.services[Hooks], anonymous=life)


def _cookies(core: Core) -> CookieSettings:
    return CookieSettings(domain=core.settings.cookie_domain, path=core.settings.web.path)


def _flow_services(core: Core, sessions: Sessions, refusals: Refusals, protocols: Protocols) -> FlowServices:
    return FlowServices(
        database=core.database,
        plane=core.plane,
        sessions=sessions,
        users=core.users,
        passwords=core.passwords,
        devices=core.devices,
        tokens=core.tokens,
        attempts=core.attempts,
        setup=core.setup,
        editor=core.editor,
        consents=Consents(core.database),
        plans=Plans(core.database, core.sealer),
        cookie_key=Secret(_key(core, "flows/cookie").hex()),
        unnamed=core.hosts.unnamed,
        own_stages=DEVICE_STAGES,
        begin_again=protocols.begin_again,
        refusals=refusals,
    )


def _sign_on(core: Core, sessions: Sessions, engine: FlowEngine) -> SignOnServices:
    return SignOnServices(
        database=core.database,
        plane=core.plane,
        users=core.users,
        sessions=sessions,
        engine=engine,
        clock=core.services.clock,
    )


def _options(core: Core) -> Options:
    wanted = core.settings
    return Options(
        certificate_header=wanted.mtls.header or "",
        nonce_key=_key(core, "oauth2/dpop-nonce") if wanted.dpop.nonce == "required" else None,
        refresh_key=_key(core, "oauth2/refresh"),
        device_rate=Rate(wanted.throttle.device.most, wanted.throttle.device.window),
    )


def _pages(core: Core, sessions: Sessions, engine: FlowEngine, protocols: Protocols) -> Pages:
    static = own_static()
    recoverer = Recoverer(tokens=core.tokens, users=core.users, sessions=sessions, engine=engine, plane=core.plane)
    return Pages(
        engine=engine,
        sessions=sessions,
        plane=core.plane,
        users=core.users,
        devices=core.devices,
        setup=core.setup,
        templates=own_templates(static, [folder for room in core.rooms for folder in room.templates]),
        static=static,
        form_key=_key(core, "web/form"),
        clock=core.services.clock,
        recover=recoverer.recover,
        protocols=protocols,
    )


async def _access_token_user(core: Core, key: Secret, now: int) -> int | None:
    """Return whom a bearer token speaks for at the API. One bound to a key is no bearer token (RFC 9449 7.2)."""
    text = key.reveal()
    token = await find_access(core.database, token_hash(text), now=now)
    if token is None or API_SCOPE not in token.scope or token.binding:
        return None
    served = client_by_provider(core.plane.snapshot, token.provider) is not None
    # guard: A16 our API takes only tokens that are meant for us
    # guard: A16 our API takes no tokens of a client that is gone
    return token.user if served and is_meant_here(text, token) else None


def _key(core: Core, purpose: str) -> bytes:
    """Return key material of its own for one purpose, so that no two rooms share a key."""
    return hmac.digest(core.secret_key.reveal().encode(), f"ostiary/{purpose}/1".encode(), "sha256")


class _with_request_id:  # noqa: N801 - reads as what it does to the router
    """The router, with the request's id known to every log line written while it answers, and a bound of its time."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def __call__(self, request: Request) -> Response:
        REQUEST_ID.set(request.request_id)
        begin_request()
        return await self._router(request)
