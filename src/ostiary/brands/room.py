"""What the application collects from this room."""

from __future__ import annotations

from typing import Final

from ostiary.brands.resources import Brand, Host
from ostiary.resource import Resource

KINDS: Final[tuple[type[Resource], ...]] = (Brand, Host)
