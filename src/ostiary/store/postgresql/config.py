"""The configuration of a PostgreSQL server: address, account and TLS."""

from __future__ import annotations

import ipaddress
from typing import Final

from ostiary.record import dataclass
from ostiary.seal import Secret

MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class PostgresConfig:
    """Address, account and TLS of a server. `host` may be the folder of a Unix socket.

    `sslmode` is one of `MODES`, or None: verify-full, and prefer on loopback. The three paths may be None or "".
    """

    host: str
    port: int
    name: str
    user: str
    password: Secret
    sslmode: str | None = None
    sslrootcert: str | None = None
    sslcert: str | None = None
    sslkey: str | None = None
    schema: str = "ostiary"

    def tls(self) -> str:
        """Return the effective TLS mode. Raises ValueError for an unknown one."""
        if not self.sslmode:
            return "prefer" if self.is_local() else "verify-full"
        if self.sslmode not in MODES:
            message = f"the TLS mode {self.sslmode!r} is unknown, expected one of {', '.join(MODES)}"
            raise ValueError(message)
        return self.sslmode

    def is_local(self) -> bool:
        """Return whether the server is on this machine."""
        if self.host.startswith("/") or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False
