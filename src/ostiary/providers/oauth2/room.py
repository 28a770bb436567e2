"""What the application collects from this room."""

from __future__ import annotations

from typing import Final

from ostiary.providers.oauth2.resources import OAuth2Provider
from ostiary.providers.oauth2.routes import routes
from ostiary.providers.oauth2.services import Services
from ostiary.resource import Resource
from ostiary.store.migrations import Migration

KINDS: Final[tuple[type[Resource], ...]] = (OAuth2Provider,)
MIGRATIONS: Final[tuple[Migration, ...]] = ()

__all__ = ["KINDS", "MIGRATIONS", "Services", "routes"]
