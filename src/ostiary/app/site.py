"""The outer half: the ASGI application, which answers all requests. Its parts come from the rooms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

from ostiary.app.core import Core
from ostiary.app.error_recorder import ErrorRecorder
from ostiary.app.errors import translate
from ostiary.app.health import Health
from ostiary.app.logs import REQUEST_ID
from ostiary.app.metrics import Metrics
from ostiary.app.rooms import services_of
from ostiary.portal.error_page import ErrorPage
from ostiary.record import dataclass
from ostiary.room import ServiceRegistry
from ostiary.signon.protocols import ProtocolEndpoint, Protocols
from ostiary.store.timeouts import begin_request
from ostiary.web.asgi import Site
from ostiary.web.proxies import Proxies
from ostiary.web.router import Router
from ostiary.web.templates import TemplateFolders

if TYPE_CHECKING:
    from ostiary.web.request import Request
    from ostiary.web.response import Response
    from ostiary.web.router import Route


@dataclass(frozen=True, slots=True)
class Built:
    """The ASGI application, and those of its parts that others use."""

    site: Site
    health: Health
    routes: Sequence[Route]
    services: ServiceRegistry


def build_site(core: Core, metrics: Metrics, health: Health | None = None) -> Built:
    """Build the application; `health` is given by a process with background work."""
    health = health or Health(core.database)
    offered = (service for service in services_of(core.rooms) if service.site)
    templates = TemplateFolders([folder for room in core.rooms for folder in room.templates])
    services = core.services.extended(health, templates, offered=offered)
    endpoints = [endpoint for room in core.rooms for endpoint in room.endpoints(services)]
    services[Protocols].register(*cast("list[ProtocolEndpoint]", endpoints))
    routes = [route for room in core.rooms for route in room.routes(services)]
    make_site, traced = _site_and_route(core)

    settings = core.settings
    site = make_site(
        _with_request_id(Router(metrics.measured(traced(route)) for route in routes)),
        prefix=settings.web.path,
        proxies=Proxies(settings.listen.trusted_proxy_cidrs),
        hosts=core.hosts,
        finish=[finish for room in core.rooms for finish in room.finishes(services)],
        error_response=services[ErrorPage],
        translate=translate,
        from_proxies=[settings.mtls.header] if settings.mtls.header else (),
        on_error=ErrorRecorder(services, metrics, health),
    )
    return Built(site, health, routes, services)


def _site_and_route(core: Core) -> tuple[Callable[..., Site], Callable[[Route], Route]]:
    """Return what makes the site, and what is done to each route: more where there are traces."""
    if core.tracer is None:
        return Site, lambda route: route
    from ostiary.tracing.site import TracedSite, traced_route  # noqa: PLC0415 - most installations trace nothing

    return partial(TracedSite, tracer=core.tracer), traced_route


class _with_request_id:  # noqa: N801 - reads as what it does to the router
    """The router, with the request id in every log line of a request, and with a limit on its time."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def __call__(self, request: Request) -> Response:
        REQUEST_ID.set(request.request_id)
        begin_request()
        return await self._router(request)
