"""Picture addresses for pages."""

from __future__ import annotations

from typing import Final

# authentik's own pictures. Existing blueprints contain these addresses; Ostiary ships its own pictures.
_FOREIGN: Final = ("/static/dist/", "fa://")


def picture(address: str) -> str:
    """Return the address of a picture, or "" for authentik's own pictures and for unsafe addresses."""
    return "" if address.startswith(_FOREIGN) or not address.startswith(("/", "https://", "data:image/")) else address
