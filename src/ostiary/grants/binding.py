"""Token binding: only the holder of the bound key can use the token (RFC 7800, RFC 8705 3, RFC 9449 6)."""

from __future__ import annotations

from typing import Final

from ostiary.record import dataclass


@dataclass(frozen=True, slots=True)
class Binding:
    """The key to which a token is bound. Without either member, it is a plain bearer token."""

    jkt: str | None = None  # SHA-256 thumbprint of the DPoP key (RFC 9449 6.1)
    x5t: str | None = None  # SHA-256 of the client's certificate, base64url (RFC 8705 3.1)

    def __bool__(self) -> bool:
        return self.jkt is not None or self.x5t is not None

    def confirmation(self) -> dict[str, str]:
        """Return the members of the claim `cnf`; empty for a bearer token."""
        members = {"jkt": self.jkt, "x5t#S256": self.x5t}
        return {name: value for name, value in members.items() if value is not None}


UNBOUND: Final = Binding()
