"""The room of the application itself, above all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ostiary.app.listening.hosts import Hosts
from ostiary.flows.services import FlowHooks
from ostiary.room import Room, Service
from ostiary.settings import Settings
from ostiary.store.configuration.plane import ConfigPlane

if TYPE_CHECKING:
    from ostiary.room import ServiceRegistry
    from ostiary.web.asgi import Finish
    from ostiary.web.router import Route


def flow_hooks(services: ServiceRegistry) -> FlowHooks:
    """Return the hooks by which flows learn our hosts, and the first-run wizard whether one is set."""
    hosts = services[Hosts]
    return FlowHooks(unnamed=[hosts.unnamed], hosts=[hosts.names])


def routes(services: ServiceRegistry) -> Sequence[Route]:
    """Return the routes of the health pages."""
    from ostiary.app.health import Health  # noqa: PLC0415 - commands answer nothing

    return services[Health].routes()


def finishes(services: ServiceRegistry) -> Sequence[Finish]:
    """Return the function that adds Strict-Transport-Security."""
    from ostiary.app.listening.tls import StrictTransport  # noqa: PLC0415 - commands and workers speak no TLS

    return (StrictTransport(services[ConfigPlane], services[Settings].listen.hsts).finish,)


ROOM: Final = Room(
    name="app",
    hooks=(Service(FlowHooks, flow_hooks, site=True),),
    routes=routes,
    finishes=finishes,
)
