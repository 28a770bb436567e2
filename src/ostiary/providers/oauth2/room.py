"""What the application collects from this room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ostiary.providers.oauth2.authorize.endpoint import AuthorizeEndpoint
from ostiary.providers.oauth2.logout import backchannel
from ostiary.providers.oauth2.options import Options, Rate
from ostiary.providers.oauth2.provider.definition import OAuth2Provider
from ostiary.providers.oauth2.routes import routes
from ostiary.providers.oauth2.services import Services
from ostiary.resource import Resource
from ostiary.store.migrations import Migration

if TYPE_CHECKING:
    from ostiary.directory.users import Users
    from ostiary.signon.protocols import Endpoint
    from ostiary.store.configuration.plane import ConfigPlane
    from ostiary.store.database import Database
    from ostiary.tasks.job import Job

KINDS: Final[tuple[type[Resource], ...]] = (OAuth2Provider,)
MIGRATIONS: Final[tuple[Migration, ...]] = ()

__all__ = ["KINDS", "MIGRATIONS", "Options", "Rate", "Services", "endpoints", "jobs", "routes"]


def endpoints(services: Services) -> Sequence[Endpoint]:
    """Return the endpoints at which this room signs people on."""
    return (AuthorizeEndpoint(services),)


def jobs(database: Database, plane: ConfigPlane, users: Users) -> Sequence[Job]:
    """Return this room's jobs."""
    return (backchannel.job(database, plane, users),)
