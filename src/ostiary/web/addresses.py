"""Addresses of clients, as counters know them."""

from __future__ import annotations

import hashlib
import ipaddress


def address_key(address: str) -> str:
    """Return the key of an address: itself, or its network of 64 bit for IPv6."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "address:" + hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return f"address:{found.ipv4_mapped}"
        return f"address:{ipaddress.ip_network((found, 64), strict=False)}"
    return f"address:{found}"


def is_this_machine(address: str) -> bool:
    """Tell whether a client is on this machine itself."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
