"""The hosts that the operator allows, and the addresses that they may have."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from ostiary.proto.authority import joined, split
from ostiary.record import dataclass
from ostiary.web.outgoing.requests import is_public

if TYPE_CHECKING:
    from ostiary.web.outgoing.requests import IPAddress, RequestTarget

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
HOSTS_SETTING: Final = "OSTIARY_EXPRESSIONS__HOSTS"
NETWORKS_SETTING: Final = "OSTIARY_EXPRESSIONS__NETWORKS"
_USUAL_PORTS: Final = frozenset({80, 443})
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """The hosts of the settings (`ExpressionSettings`), and the networks in which they may lie."""

    hosts: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()

    def allows_target(self, target: RequestTarget) -> bool:
        """Return whether a request may go to this host and port."""
        host = f"[{target.host}]" if ":" in target.host else target.host
        # guard: A67 an expression asks the hosts of the operator only
        return self._listed(host, target.port)

    def allows_name(self, name: str) -> bool:
        """Return whether the addresses of a name may be asked for, whatever the port is."""
        try:
            host, port = split(name)
        except ValueError:
            return False
        return port is None and any(_covers(*split_pattern(pattern)[:2], host) for pattern in self.hosts)

    def allows_address(self, address: IPAddress) -> bool:
        """Return whether the name of an address may be asked for."""
        host = f"[{address.compressed}]" if address.version == 6 else address.compressed  # noqa: PLR2004 - of IP
        return self._within(address) or any(split_pattern(pattern)[1] == host for pattern in self.hosts)

    def admits(self, address: IPAddress) -> bool:
        """Return whether a connection to an allowed host may go to this address of it."""
        # guard: A67 an allowed host leads into the networks of the operator only
        return is_public(address) or self._within(address)

    def _listed(self, host: str, port: int) -> bool:
        try:
            name, _ = split(host)
        except ValueError:
            return False
        for pattern in self.hosts:
            below, own, own_port = split_pattern(pattern)
            if _covers(below, own, name) and (port == own_port if own_port else port in _USUAL_PORTS):
                return True
        return False

    def _within(self, address: IPAddress) -> bool:
        plain = _embedded(address)
        return any(plain in network for network in self.networks if network.version == plain.version)


NO_HOSTS: Final = AllowedHosts()


def split_pattern(pattern: str) -> tuple[bool, str, int | None]:
    """Return whether a pattern stands for all names below, the name, and the port, None for the usual ones."""
    name, port = split(pattern.removeprefix("."))
    return pattern.startswith("."), name, port


def shown(target: RequestTarget) -> str:
    """Return host and port as the setting has them."""
    return joined(target.host, None if target.port in _USUAL_PORTS else target.port)


def _covers(below: bool, own: str, name: str) -> bool:
    return name.endswith("." + own) if below else name == own


def _embedded(address: IPAddress) -> IPAddress:
    """Return the IPv4 address that an IPv6 one stands for, any other as it is."""
    if isinstance(address, ipaddress.IPv6Address):
        if (inner := address.ipv4_mapped or address.sixtofour) is not None:
            return inner
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
