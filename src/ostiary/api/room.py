"""The registration of this room with the application."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from ostiary.api.caller import Callers
from ostiary.api.routes import Api
from ostiary.api.routes import routes as api_routes
from ostiary.directory.roles import roles_of
from ostiary.directory.tokens import Tokens
from ostiary.directory.users import Users
from ostiary.grants.access_tokens import ApiTokens
from ostiary.room import Room, Service
from ostiary.sessions.sessions import Sessions
from ostiary.store.configuration.plane import ConfigPlane

if TYPE_CHECKING:
    from ostiary.room import ServiceRegistry
    from ostiary.web.router import Route


def api(services: ServiceRegistry) -> Api:
    """Return what the endpoints work with."""
    callers = Callers(services[Tokens], services[Users], services[Sessions], services[ApiTokens].user_of)
    return Api(callers, services[ConfigPlane], partial(roles_of, services.database), services.clock)


def routes(services: ServiceRegistry) -> Sequence[Route]:
    """Return the endpoints of the API."""
    return api_routes(services[Api])


ROOM: Final = Room(name="api", services=(Service(Api, api, site=True),), routes=routes)
