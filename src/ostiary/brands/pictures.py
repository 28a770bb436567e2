"""The addresses of pictures in pages."""

from __future__ import annotations

from typing import Final

# authentik's own pictures, which existing blueprints name; we ship ours instead.
_FOREIGN: Final = ("/static/dist/", "fa://")


def picture(address: str) -> str:
    """Return the address of a picture, or "" for authentik's own pictures, which we do not ship."""
    return "" if address.startswith(_FOREIGN) or not address.startswith(("/", "https://", "data:image/")) else address
