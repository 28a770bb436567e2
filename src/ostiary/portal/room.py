"""What this room gives to the application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ostiary.portal.routes import routes as page_routes
from ostiary.portal.services import Pages
from ostiary.room import Room

if TYPE_CHECKING:
    from ostiary.room import ServiceRegistry
    from ostiary.web.router import Route


def routes(services: ServiceRegistry) -> Sequence[Route]:
    """Return the pages and static files."""
    return page_routes(services[Pages])


ROOM: Final = Room(name="portal", routes=routes)
