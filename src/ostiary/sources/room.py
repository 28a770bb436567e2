"""What the application collects from this room."""

from __future__ import annotations

from typing import Final

from ostiary.resource import Resource
from ostiary.sources.issuer_keys import IssuerKeys
from ostiary.sources.resources import OAuthSource

KINDS: Final[tuple[type[Resource], ...]] = (OAuthSource,)

__all__ = ["KINDS", "IssuerKeys"]
