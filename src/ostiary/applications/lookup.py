"""Which application a provider stands behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.applications.resources import Application

if TYPE_CHECKING:
    from ostiary.store.configuration.snapshot import Snapshot


def application_of(snapshot: Snapshot, provider: int) -> Application | None:
    """Return the application whose main provider this is. The first by slug, should there be several."""
    found = snapshot.referring(Application, "provider", provider)
    return min(found, key=lambda item: item.slug) if found else None
