"""Trusted proxies: client address, scheme and host from their X-Forwarded-* headers."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable, Mapping
from typing import Final

from ostiary.proto.authority import canonical
from ostiary.record import dataclass
from ostiary.resource.bounded_cache import BoundedCache

LOOPBACK: Final = ("127.0.0.0/8", "::1/128")
_CACHED: Final = 1024  # addresses and hosts; limited, because clients choose them
_FORWARDED: Final = frozenset({"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"})

log = logging.getLogger("ostiary.web")


@dataclass(frozen=True, slots=True)
class ClientOrigin:
    """The client address, scheme and host of a request, as the browser sees them.

    `host` has the canonical form of `proto.authority`. It is "" if the header contains no valid host.
    """

    client: str
    scheme: str
    host: str


class Proxies:
    """The proxies whose X-Forwarded-* headers are trusted; loopback by default."""

    def __init__(self, cidrs: Iterable[object] = LOOPBACK) -> None:
        """`cidrs` are networks, or their texts. Raises ValueError for any other text."""
        self._networks = tuple(ipaddress.ip_network(str(cidr), strict=False) for cidr in cidrs)
        self._trusted: BoundedCache[str, bool] = BoundedCache(_CACHED)
        self._hosts: BoundedCache[tuple[str, str], str] = BoundedCache(_CACHED)
        self._warned = False

    def trusts(self, address: str) -> bool:
        """Return whether an address is that of a trusted proxy."""
        trusted = self._trusted.get(address)
        if trusted is None:
            trusted = self._trusted.keep(address, self._contains(address))
        return trusted

    def _contains(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks)

    def origin(self, peer: str, scheme: str, headers: Mapping[str, str]) -> ClientOrigin:
        """Return the origin of a request. X-Forwarded-* headers are used if a trusted proxy sent them, else ignored.

        Addresses are read from the right, since each proxy appends the address of its peer; the first one that is not a
        trusted proxy is the client. For scheme and host the first value is used: that of the browser's request at the
        outermost proxy. An outermost proxy that appends to a client's header lets the client choose this value. This is
        harmless: a host that is not pinned is refused (app.listening.hosts), and there are only two schemes.
        """
        host = headers.get("host", "")
        if _FORWARDED.isdisjoint(headers):
            return ClientOrigin(peer, scheme, self._canonical(host, scheme))
        # guard: A47 a forwarded host is accepted from trusted proxies only
        if not self.trusts(peer):
            self._warn_once(peer)
            return ClientOrigin(peer, scheme, self._canonical(host, scheme))
        client = self._client(peer, _items(headers, "x-forwarded-for"))
        proto = _first(headers, "x-forwarded-proto").lower()
        scheme = proto if proto in {"http", "https"} else scheme
        return ClientOrigin(client, scheme, self._canonical(_first(headers, "x-forwarded-host") or host, scheme))

    def _canonical(self, host: str, scheme: str) -> str:
        cached = self._hosts.get((host, scheme))
        if cached is None:
            try:
                cached = canonical(host, scheme)
            except ValueError:
                return ""
            self._hosts.keep((host, scheme), cached)
        return cached

    def _client(self, peer: str, chain: list[str]) -> str:
        client = peer
        for address in reversed(chain):
            parsed = _address(address)
            if parsed is None:  # from a client, before the first trusted proxy
                break
            client = parsed
            # guard: A48 a forwarded address from an untrusted peer is ignored
            if not self.trusts(parsed):
                break
        return client

    def _warn_once(self, peer: str) -> None:
        if not self._warned:
            self._warned = True
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
    """Return an address without its port, or None for any other text."""
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
