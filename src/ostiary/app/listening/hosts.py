"""The accepted Host headers (A75). The host becomes issuer, audience and links, so others are refused.

| a host is accepted when | |
|---|---|
| the setting `hosts` names it, a brand's domain is it or a parent of it, or it was pinned | for everybody |
| it is a loopback name with a port we listen on | for clients on the loopback |
| no host is named yet, and the path is of the first-run wizard, which asks for it | at first |
| no host is named yet, in an installation older than this rule | as before, with a warning |

A name without a port covers the usual ports and those we listen on. Health pages (probes use addresses) and static
files (the refusal page needs them) are answered for any host.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from ostiary.brands.resources import Brand, Host
from ostiary.flows.plans.destination import flow_page
from ostiary.proto.authority import DEFAULT_PORTS, is_loopback, joined, split
from ostiary.resource.bounded_cache import BoundedCache
from ostiary.store.database import StoreError
from ostiary.web.errors import HttpError

if TYPE_CHECKING:
    from ostiary.settings import Settings
    from ostiary.store.configuration.plane import ConfigPlane
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.web.request import Request

LOCAL: Final = ("localhost", "127.0.0.1", "[::1]")
WIZARD: Final = (flow_page("", "initial-setup"), "/api/v3/flows/executor/initial-setup/")

_SHIPPED: Final = "authentik-default"  # the domain of the shipped brand; it is no host name
_REFRESH_INTERVAL: Final = 1.0  # seconds between refreshes of the configuration by refusals
_CACHE_SIZE: Final = 256  # refused hosts, each logged once
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})

log: Final = logging.getLogger("ostiary.web")


class Hosts:
    """The accepted hosts. `open_before`: an installation older than this rule, without a named host."""

    def __init__(self, plane: ConfigPlane, settings: Settings, *, open_before: bool = False) -> None:
        self._plane = plane
        self._configured = settings.hosts
        self._accepts_all = open_before
        listen = settings.listen
        own = [listen.http, *([listen.https] if listen.https is not None else [])]
        ports = [address.port for address in own]
        self._ports: frozenset[int | None] = frozenset({None, *ports})
        locals_ = {*LOCAL, *(address.host for address in own if is_loopback(address.host) and ":" not in address.host)}
        usual = {None for port in ports if port in DEFAULT_PORTS.values()}
        self._local = frozenset(joined(name, port) for name in locals_ for port in {*ports, *usual})
        self._names: frozenset[str] = frozenset()
        self._accepted: BoundedCache[str, bool] = BoundedCache(_CACHE_SIZE)  # accepted by `_names`
        self._logged: BoundedCache[str, bool] = BoundedCache(_CACHE_SIZE)
        self._refreshed_at = -_REFRESH_INTERVAL

    def names(self) -> frozenset[str]:
        """Return the named hosts in lower case, with or without port; a leading dot means all names below."""
        snapshot = self._plane.snapshot
        return snapshot.memo(("app.hosts", self._configured), lambda: _names(snapshot, self._configured))

    def unnamed(self) -> bool:
        """Return whether no host is named, so that the wizard asks for it."""
        return not self.names()

    def accepts_any(self) -> bool:
        """Return whether every host is accepted: an older installation without a named host."""
        return self._accepts_all and self.unnamed()

    def sources(self) -> Sequence[tuple[str, str]]:
        """Return all accepted addresses with their sources."""
        snapshot = self._plane.snapshot
        return [
            *((name, "the setting OSTIARY_HOSTS") for name in self._configured),
            *((item.host, "host add, or the first-run wizard") for item in snapshot.all(Host)),
            *((f"{domain}, and names below it", "a brand") for domain in sorted(_domains(snapshot))),
            *((name, "the listen address, on this machine alone") for name in sorted(self._local)),
        ]

    def address(self) -> str | None:
        """Return the address for people: the first of the setting, else a pinned one, else None."""
        pinned = sorted(item.host for item in self._plane.snapshot.all(Host))
        return next(iter([*(name.lstrip(".") for name in self._configured), *pinned]), None)

    def accepts(self, request: Request) -> bool:
        """Return whether the host of a request is accepted."""
        names = self.names()
        if names is not self._names:
            self._names = names
            self._accepted.clear()
            self._accepts_all = self._accepts_all and not names  # permanently
        host = request.host
        if host in self._accepted:
            return True
        if self._is_named(host):
            return self._accepted.keep(host, value=True)
        # guard: A75 a loopback name is accepted from loopback clients only
        if host in self._local and (request.client in _LOOPBACK or is_loopback(request.client)):
            return True
        if names:
            return False
        return self._accepts_unnamed(request)

    def _accepts_unnamed(self, request: Request) -> bool:
        if self._accepts_all:
            if request.host not in self._logged:
                self._logged.keep(request.host, value=True)
                log.warning("answered to %s, which nobody named, as to any; if it is yours, %s", *_advice(request))
            return True
        # guard: A75 an unpinned host is answered for the wizard only
        return request.path == "/" or request.path.startswith(WIZARD)

    def _is_named(self, host: str) -> bool:
        if host in self._names:
            return True
        try:
            name, port = split(host)
        except ValueError:
            return False
        # guard: A75 an unlisted port is another address
        if port not in self._ports:
            return False
        return name in self._names or any(one.startswith(".") and name.endswith(one) for one in self._names)

    async def refusal(self, request: Request) -> HttpError | None:
        """Return the refusal of a request; None when another process has pinned its host meanwhile."""
        now = time.monotonic()
        if now - self._refreshed_at >= _REFRESH_INTERVAL:
            self._refreshed_at = now
            try:
                await self._plane.refresh()
            except StoreError:
                pass
            else:
                if self.accepts(request):
                    return None
        if request.host not in self._logged:
            self._logged.keep(request.host, value=True)
            log.warning("refused a request for %s, which is none of our addresses; if it is, %s", *_advice(request))
        host = request.host
        text = f"{host} is none of the addresses of this installation. If it is yours: OSTIARY_HOSTS={host}"
        return HttpError(421, "misdirected_request", text)


def _advice(request: Request) -> tuple[str, str]:
    host = request.host
    return host, f"set OSTIARY_HOSTS={host} (beside those it has, with commas), or run: ostiary host add {host}"


def _domains(snapshot: Snapshot) -> set[str]:
    return {brand.domain.lower() for brand in snapshot.all(Brand) if brand.domain != _SHIPPED}


def _names(snapshot: Snapshot, configured: Iterable[str]) -> frozenset[str]:
    domains = _domains(snapshot)
    pinned = {item.host for item in snapshot.all(Host)}
    return frozenset({*configured, *domains, *(f".{domain}" for domain in domains), *pinned})
