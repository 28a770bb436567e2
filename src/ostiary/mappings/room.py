"""The registration of this room with the application."""

from __future__ import annotations

from typing import Final

from ostiary.mappings.scope_mapping import ScopeMapping
from ostiary.room import Room

ROOM: Final = Room(name="mappings", kinds=(ScopeMapping,))
