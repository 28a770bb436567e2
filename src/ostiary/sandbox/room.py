"""What this room gives to the application."""

from __future__ import annotations

from typing import Final

from ostiary.room import Room, Service
from ostiary.sandbox.workers import Workers

ROOM: Final = Room(name="sandbox", services=(Service(Workers, lambda _: Workers()),))
