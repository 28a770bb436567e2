"""The registration of this room with the application."""

from __future__ import annotations

from typing import Final

from ostiary.room import Room
from ostiary.trust.oauth_source import OAuthSource

ROOM: Final = Room(name="trust", kinds=(OAuthSource,))
