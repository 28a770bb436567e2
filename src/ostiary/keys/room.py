"""What the application collects from this room."""

from __future__ import annotations

from typing import Final

from ostiary.keys.resources import CertificateKeyPair
from ostiary.resource import Resource

KINDS: Final[tuple[type[Resource], ...]] = (CertificateKeyPair,)
