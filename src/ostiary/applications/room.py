"""The registration of this room with the application."""

from __future__ import annotations

from typing import Final

from ostiary.applications.resources import Application
from ostiary.room import Room

ROOM: Final = Room(name="applications", kinds=(Application,))
