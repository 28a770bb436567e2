"""What this room gives to the application."""

from __future__ import annotations

from typing import Final

from garden.address_policy import AddressPolicy
from garden.gate import Gate
from garden.riddle_stage import RiddleStage
from ostiary.room import Room

ROOM: Final = Room(name="garden", kinds=(RiddleStage, AddressPolicy, Gate))
