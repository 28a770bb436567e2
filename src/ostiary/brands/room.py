"""The registration of this room with the application."""

from __future__ import annotations

from typing import Final

from ostiary.brands.resources import Brand, Host
from ostiary.room import Room

ROOM: Final = Room(name="brands", kinds=(Brand, Host))
