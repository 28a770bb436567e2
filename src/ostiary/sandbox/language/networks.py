"""Addresses and networks as the prelude shows them."""

from __future__ import annotations

import ipaddress
from typing import Final

_FLAGS: Final = (
    "is_global", "is_link_local", "is_loopback", "is_multicast", "is_private", "is_reserved", "is_unspecified",
)  # fmt: skip


def network_values(kind: str, text: object, *, strict: bool = True) -> dict[str, object]:
    """Return the values of an address ("address") or a network ("network"). Raises ValueError."""
    if not isinstance(text, str | int) or isinstance(text, bool):
        raise ValueError(f"{text!r} does not appear to be an IPv4 or IPv6 {kind}")  # noqa: TRY004 - as Python's
    found = ipaddress.ip_address(text) if kind == "address" else ipaddress.ip_network(text, strict=strict)
    values: dict[str, object] = {name: getattr(found, name) for name in _FLAGS}
    values.update(version=found.version, compressed=found.compressed, exploded=found.exploded)
    if isinstance(found, ipaddress.IPv4Address | ipaddress.IPv6Address):
        values["ostiary_number"] = int(found)
    else:
        values.update(
            prefixlen=found.prefixlen,
            num_addresses=found.num_addresses,
            ostiary_first=int(found.network_address),
            ostiary_last=int(found.broadcast_address),
        )
    return values
