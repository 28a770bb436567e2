"""What the application collects from this room. `cascades` holds the hooks for sessions, directory and clean-up."""

from __future__ import annotations

from typing import Final

from ostiary.grants.cascades import on_session_end, on_session_moved, on_user_disabled, sweep
from ostiary.grants.tables import MIGRATIONS
from ostiary.resource import Resource

KINDS: Final[tuple[type[Resource], ...]] = ()

__all__ = ["KINDS", "MIGRATIONS", "on_session_end", "on_session_moved", "on_user_disabled", "sweep"]
