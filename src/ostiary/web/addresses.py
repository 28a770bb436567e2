"""Addresses of clients, as counters know them."""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Final

# guard: A74 changing networks of IPv6 count together
NETWORKS: Final = (64, 56, 48)
"""Networks of IPv6 that one person may have: what a host, a house and a site are given (RFC 6177)."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def address_key(address: str) -> str:
    """Return the key of an address: itself, or its network of 64 bit for IPv6."""
    return address_keys(address)[0]


def address_keys(address: str) -> tuple[str, ...]:
    """Return the keys of an address and of the wider networks whoever sent it may have, the narrowest first."""
    found = _parsed(address)
    if found is None:
        return ("address:" + hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest(),)
    if isinstance(found, ipaddress.IPv4Address):
        return (f"address:{found}",)
    return tuple(f"address:{ipaddress.ip_network((found, bits), strict=False)}" for bits in NETWORKS)


def is_this_machine(address: str) -> bool:
    """Tell whether a client is on this machine itself."""
    found = _parsed(address)
    return found is not None and found.is_loopback


def _parsed(address: str) -> _Address | None:
    """Return an address without its zone; one of IPv4 in IPv6's clothes (RFC 4291 2.5.5.2) as what it is."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return found if mapped is None else mapped
