"""Who really asks: the browser's address, scheme and host, as far as proxies that are trusted tell them."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable, Mapping
from typing import Final

from ostiary.proto.authority import canonical
from ostiary.record import dataclass
from ostiary.resource.bounded_cache import BoundedCache

LOOPBACK: Final = ("127.0.0.0/8", "::1/128")
_MANY: Final = 1024  # addresses and hosts that are kept, so that strangers cannot fill the memory
_FORWARDED: Final = frozenset({"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"})

log = logging.getLogger("ostiary.web")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from and what it asked for, as the browser sees it.

    `host` is in the one spelling in which hosts are compared, as `proto.authority` has it, or "" when what was sent
    is no host.
    """

    client: str
    scheme: str
    host: str


class Proxies:
    """The proxies whose X-Forwarded-* headers are believed: loopback unless set otherwise."""

    def __init__(self, cidrs: Iterable[object] = LOOPBACK) -> None:
        """Take networks, or texts of them. Raises ValueError for something that is no network."""
        self._networks = tuple(ipaddress.ip_network(str(cidr), strict=False) for cidr in cidrs)
        self._known: BoundedCache[str, bool] = BoundedCache(_MANY)
        self._hosts: BoundedCache[tuple[str, str], str] = BoundedCache(_MANY)
        self._told = False

    def trusts(self, address: str) -> bool:
        """Say whether the address belongs to a trusted proxy."""
        known = self._known.get(address)
        if known is None:
            known = self._known.keep(address, self._contains(address))
        return known

    def _contains(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks)

    def origin(self, peer: str, scheme: str, headers: Mapping[str, str]) -> Origin:
        """Return what the trusted part of the chain of proxies says; a stranger's X-Forwarded-* are ignored.

        Addresses are read from the right, as each proxy appends the one it saw; the first that is no trusted proxy
        is the client. Of scheme and host the first value counts: that is what the browser asked for, told by the
        proxy it spoke to; those behind it add what they were asked for themselves. A proxy that appends to what its
        client sent lets a stranger write the first one. That is why both only choose among what is ours: a host that
        is not pinned is refused (app.hosts), and of schemes there are two.
        """
        host = headers.get("host", "")
        if _FORWARDED.isdisjoint(headers):
            return Origin(peer, scheme, self._canonical(host, scheme))
        # guard: A47 only trusted proxies name the host
        if not self.trusts(peer):
            self._tell(peer)
            return Origin(peer, scheme, self._canonical(host, scheme))
        client = self._client(peer, _items(headers, "x-forwarded-for"))
        proto = _first(headers, "x-forwarded-proto").lower()
        scheme = proto if proto in {"http", "https"} else scheme
        return Origin(client, scheme, self._canonical(_first(headers, "x-forwarded-host") or host, scheme))

    def _canonical(self, host: str, scheme: str) -> str:
        known = self._hosts.get((host, scheme))
        if known is None:
            try:
                known = canonical(host, scheme)
            except ValueError:
                return ""
            self._hosts.keep((host, scheme), known)
        return known

    def _client(self, peer: str, chain: list[str]) -> str:
        client = peer
        for address in reversed(chain):
            plain = _address(address)
            if plain is None:  # what a stranger wrote before the first proxy we trust
                break
            client = plain
            if not self.trusts(plain):
                break
        return client

    def _tell(self, peer: str) -> None:
        if not self._told:
            self._told = True
            log.warning(
                "ignored X-Forwarded-* headers from %s, which is not a trusted proxy; "
                "if it is yours, set OSTIARY_LISTEN__TRUSTED_PROXY_CIDRS=%s",
                peer,
                ",".join((*map(str, self._networks), _network(peer))),
            )


def _items(headers: Mapping[str, str], name: str) -> list[str]:
    return [item.strip() for item in headers.get(name, "").split(",") if item.strip()]


def _first(headers: Mapping[str, str], name: str) -> str:
    return next(iter(_items(headers, name)), "")


def _address(text: str) -> str | None:
    """Return the address without its port, or None when it is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _network(peer: str) -> str:
    return f"{peer}/128" if ":" in peer else f"{peer}/32"
