"""What this room gives to the application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ostiary.api.routes import Api
from ostiary.api.routes import routes as api_routes
from ostiary.room import Room

if TYPE_CHECKING:
    from ostiary.room import ServiceRegistry
    from ostiary.web.router import Route


def routes(services: ServiceRegistry) -> Sequence[Route]:
    """Return the endpoints of the API."""
    return api_routes(services[Api])


ROOM: Final = Room(name="api", routes=routes)
