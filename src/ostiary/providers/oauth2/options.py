"""What the operator decides about the protocol, outside any provider."""

from __future__ import annotations

import secrets
from dataclasses import field
from typing import Final

from ostiary.record import dataclass

HOUR: Final = 3_600_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in so long: `window` is microseconds."""

    most: int
    window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The settings of this room.

    `certificate_header` is the header, in lower case, in which trusted proxies hand over the certificate of a client;
    "" means that none does. `nonce_key` makes DPoP nonces; None means that proofs need none. `refresh_key` makes the
    successors of refresh tokens: all processes have the same. `device_rate` bounds the
    device codes made for one address, `push_rate` what public clients push from one.
    """

    certificate_header: str = ""
    nonce_key: bytes | None = field(default=None, repr=False)
    refresh_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    device_rate: Rate = Rate(20, HOUR)
    push_rate: Rate = Rate(600, HOUR // 6)


USUAL: Final = Options()
"""What holds without settings."""
