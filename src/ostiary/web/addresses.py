"""Client addresses as keys of counters."""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Final

# guard: A74 addresses of one IPv6 network are counted together
NETWORKS: Final = (64, 56, 48)
"""Prefix lengths of IPv6 networks that a single person may have: a host, a home and a site (RFC 6177)."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def address_key(address: str) -> str:
    """Return the key of an address: the address itself, or its 64-bit network for IPv6."""
    return address_keys(address)[0]


def address_keys(address: str) -> tuple[str, ...]:
    """Return the keys of an address and of its wider networks, narrowest first."""
    parsed = _parsed(address)
    if parsed is None:
        return ("address:" + hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest(),)
    if isinstance(parsed, ipaddress.IPv4Address):
        return (f"address:{parsed}",)
    return tuple(f"address:{ipaddress.ip_network((parsed, bits), strict=False)}" for bits in NETWORKS)


def is_this_machine(address: str) -> bool:
    """Return whether an address is a loopback address."""
    parsed = _parsed(address)
    return parsed is not None and parsed.is_loopback


def _parsed(address: str) -> _Address | None:
    """Return an address without its zone. An IPv4-mapped one (RFC 4291 2.5.5.2) is returned as IPv4."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return parsed if mapped is None else mapped
