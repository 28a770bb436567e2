"""The application of a provider, and the provider of an application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.applications.provider import PROVIDER, Provider
from ostiary.applications.resources import Application

if TYPE_CHECKING:
    from ostiary.store.configuration.snapshot import Snapshot


def application_of(snapshot: Snapshot, provider: int) -> Application | None:
    """Return the application with this main provider; if there are several, the first by slug."""
    applications = snapshot.referring(Application, "provider", provider)
    return min(applications, key=lambda item: item.slug) if applications else None


def provider_of(snapshot: Snapshot, application: Application) -> Provider | None:
    """Return the main provider of an application, of any protocol."""
    if application.provider is None:
        return None
    provider = snapshot.resolve(PROVIDER, application.provider)
    return provider if isinstance(provider, Provider) else None
