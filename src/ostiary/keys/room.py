"""The registration of this room with the application."""

from __future__ import annotations

from typing import Final

from ostiary.keys.resources import CertificateKeyPair
from ostiary.keys.validity import validity_measures
from ostiary.room import Room

ROOM: Final = Room(name="keys", kinds=(CertificateKeyPair,), measures=validity_measures)
