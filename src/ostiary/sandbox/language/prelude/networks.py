"""Addresses and networks, as Python's module ipaddress has them."""

from __future__ import annotations

from typing import Any

from ostiary.sandbox.language.prelude.outside import given_networks, host_network


class IPAddress:
    """An address: what Python tells of it, and its number."""

    def __init__(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        return str(self.compressed)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return "IPv" + str(self.version) + "Address('" + str(self) + "')"  # type: ignore[attr-defined]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IPAddress) and self.compressed == other.compressed  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self.compressed)  # type: ignore[attr-defined]

    def ostiary_reference(self) -> str:
        """Return its text."""
        return str(self)


class IPNetwork:
    """A network: what Python tells of it, its first and its last number."""

    def __init__(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        return str(self.compressed)  # type: ignore[attr-defined]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IPNetwork) and self.compressed == other.compressed  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self.compressed)  # type: ignore[attr-defined]

    def __contains__(self, address: Any) -> bool:
        if not isinstance(address, IPAddress):
            raise TypeError("only an address can be in a network: use ip_address(...)")
        if address.version != self.version:  # type: ignore[attr-defined]
            return False
        return bool(self.ostiary_first <= address.ostiary_number <= self.ostiary_last)  # type: ignore[attr-defined]

    def ostiary_reference(self) -> str:
        """Return its text."""
        return str(self)


def ostiary_ordered(value: Any) -> Any:
    """Return what an address is ordered by, and anything else as it is."""
    if isinstance(value, IPAddress):
        return (value.version, value.ostiary_number)  # type: ignore[attr-defined]
    return value


def ip_address(address: Any) -> IPAddress:
    """Return an address. Raises ValueError."""
    if isinstance(address, IPAddress):
        return address
    known = given_networks.get("address " + str(address))
    return IPAddress(known if known is not None else host_network("address", address, True))  # noqa: FBT003 - not named there


def ip_network(address: Any, strict: bool = True) -> IPNetwork:
    """Return a network. Raises ValueError, also for one with host bits where `strict`."""
    if isinstance(address, IPNetwork):
        return address
    known = given_networks.get("network " + str(address)) if strict else None
    return IPNetwork(known if known is not None else host_network("network", str(address), strict))
