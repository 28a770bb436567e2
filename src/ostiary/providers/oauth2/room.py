"""What this room gives to the application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ostiary.directory.rows.backend import AccountHooks
from ostiary.directory.users import Users
from ostiary.providers.oauth2.authorize.endpoint import authorize_endpoint
from ostiary.providers.oauth2.logout import backchannel
from ostiary.providers.oauth2.logout.frontchannel import farewells
from ostiary.providers.oauth2.provider.definition import OAuth2Provider
from ostiary.providers.oauth2.routes import routes as protocol_routes
from ostiary.providers.oauth2.services import OAuth2Services
from ostiary.room import Job, Room
from ostiary.sessions.sessions import Hooks
from ostiary.store.configuration.plane import ConfigPlane

if TYPE_CHECKING:
    from ostiary.room import ServiceRegistry
    from ostiary.signon.protocols import ProtocolEndpoint
    from ostiary.web.router import Route


def hooks(services: ServiceRegistry) -> tuple[Hooks, AccountHooks]:
    """Return what tells clients that a session or an account has ended."""
    plane = services[ConfigPlane]
    notices = backchannel.Notices(plane)
    sessions = Hooks(on_end=[notices.on_session_end], on_farewell=[farewells(services.database, plane)])
    return sessions, AccountHooks(on_ended=[notices.on_user_ended])


def endpoints(services: ServiceRegistry) -> Sequence[ProtocolEndpoint]:
    """Return the endpoints at which people are signed on."""
    return (authorize_endpoint(services[OAuth2Services]),)


def routes(services: ServiceRegistry) -> Sequence[Route]:
    """Return the endpoints."""
    return protocol_routes(services[OAuth2Services])


def jobs(services: ServiceRegistry) -> tuple[Job]:
    """Return the job that delivers logout tokens."""
    return (backchannel.job(services.database, services[ConfigPlane], services[Users]),)


ROOM: Final = Room(name="oauth2", kinds=(OAuth2Provider,), hooks=hooks, routes=routes, endpoints=endpoints, jobs=jobs)
