"""Our own addresses: which Host headers are answered, since they become issuer, audience and the links of pages (A75).

| a host is ours when | |
|---|---|
| the setting `hosts` names it, a brand's domain is it or a parent of it, or it was pinned | for everybody |
| it is a loopback name with a port we listen on | for clients on the loopback |
| nothing is named yet, and the path is of the first-run wizard, which asks | to begin with |
| nothing is named yet, and people were here before addresses were pinned | as before the upgrade, with a warning |

A name without a port stands for the usual ports and those we listen on. Nothing else is answered, but for health
(probes ask by address) and static files (the page of the refusal needs them).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from ostiary.brands.resources import Brand, Host
from ostiary.flows.run.destination import flow_page
from ostiary.proto.authority import USUAL_PORTS, is_loopback, joined, split
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

_SHIPPED: Final = "authentik-default"  # the domain of the brand every installation has; it is no host name
_LOOK_AGAIN: Final = 1.0  # seconds: how often a refusal may ask whether another process has pinned a host
_MANY: Final = 256  # refused hosts that are remembered, each told once
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})

log: Final = logging.getLogger("ostiary.web")


class Hosts:
    """The hosts of one process. `open_before`: people were here before hosts were pinned, and none is named yet."""

    def __init__(self, plane: ConfigPlane, settings: Settings, *, open_before: bool = False) -> None:
        self._plane = plane
        self._configured = settings.hosts
        self._open = open_before
        listen = settings.listen
        own = [listen.http, *([listen.https] if listen.https is not None else [])]
        ports = [address.port for address in own]
        self._ports: frozenset[int | None] = frozenset({None, *ports})
        locals_ = {*LOCAL, *(address.host for address in own if is_loopback(address.host) and ":" not in address.host)}
        usual = {None for port in ports if port in USUAL_PORTS.values()}
        self._local = frozenset(joined(name, port) for name in locals_ for port in {*ports, *usual})
        self._names: frozenset[str] = frozenset()
        self._answered: BoundedCache[str, bool] = BoundedCache(_MANY)  # hosts that were found to be named by `_names`
        self._told: BoundedCache[str, bool] = BoundedCache(_MANY)
        self._looked = -_LOOK_AGAIN

    def names(self) -> frozenset[str]:
        """Return what is named: hosts in lower case, with a port or without; a leading dot stands for those below."""
        snapshot = self._plane.snapshot
        return snapshot.memo(("app.hosts", self._configured), lambda: _names(snapshot, self._configured))

    def unnamed(self) -> bool:
        """Tell whether no address is named, so that the wizard has to ask for it."""
        return not self.names()

    def any_is_answered(self) -> bool:
        """Tell whether any host is, because people were here before hosts were pinned and none is named yet."""
        return self._open and self.unnamed()

    def sources(self) -> Sequence[tuple[str, str]]:
        """Return every address that is answered, and what names it."""
        snapshot = self._plane.snapshot
        return [
            *((name, "the setting OSTIARY_HOSTS") for name in self._configured),
            *((item.host, "host add, or the first-run wizard") for item in snapshot.all(Host)),
            *((f"{domain}, and names below it", "a brand") for domain in sorted(_domains(snapshot))),
            *((name, "the listen address, on this machine alone") for name in sorted(self._local)),
        ]

    def address(self) -> str | None:
        """Return the address that people are told: the first of the setting, else one that was pinned; or none."""
        pinned = sorted(item.host for item in self._plane.snapshot.all(Host))
        return next(iter([*(name.lstrip(".") for name in self._configured), *pinned]), None)

    def answers(self, request: Request) -> bool:
        """Tell whether a request is for one of our hosts, or for what is answered at any."""
        names = self.names()
        if names is not self._names:
            self._names = names
            self._answered.clear()
            self._open = self._open and not names  # for good, whatever is removed later
        host = request.host
        if host in self._answered:
            return True
        if self._is_named(host):
            return self._answered.keep(host, value=True)
        # guard: A75 a loopback name counts for clients on the loopback alone
        if host in self._local and (request.client in _LOOPBACK or is_loopback(request.client)):
            return True
        if names:
            return False
        return self._answers_unnamed(request)

    def _answers_unnamed(self, request: Request) -> bool:
        if self._open:
            if request.host not in self._told:
                self._told.keep(request.host, value=True)
                log.warning("answered to %s, which nobody named, as to any; if it is yours, %s", *_how(request))
            return True
        # guard: A75 a host nobody named is answered for the wizard alone
        return request.path == "/" or request.path.startswith(WIZARD)

    def _is_named(self, host: str) -> bool:
        if host in self._names:
            return True
        try:
            name, port = split(host)
        except ValueError:
            return False
        # guard: A75 a port that nobody named is another address
        if port not in self._ports:
            return False
        return name in self._names or any(one.startswith(".") and name.endswith(one) for one in self._names)

    async def refusal(self, request: Request) -> HttpError | None:
        """Return the refusal of a request that `answers` said no to; None when another process has pinned its host."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_AGAIN:
            self._looked = now
            try:
                await self._plane.refresh()
            except StoreError:
                pass
            else:
                if self.answers(request):
                    return None
        if request.host not in self._told:
            self._told.keep(request.host, value=True)
            log.warning("refused a request for %s, which is none of our addresses; if it is, %s", *_how(request))
        host = request.host
        text = f"{host} is none of the addresses of this installation. If it is yours: OSTIARY_HOSTS={host}"
        return HttpError(421, "misdirected_request", text)


def _how(request: Request) -> tuple[str, str]:
    host = request.host
    return host, f"set OSTIARY_HOSTS={host} (beside those it has, with commas), or run: ostiary host add {host}"


def _domains(snapshot: Snapshot) -> set[str]:
    return {brand.domain.lower() for brand in snapshot.all(Brand) if brand.domain != _SHIPPED}


def _names(snapshot: Snapshot, configured: Iterable[str]) -> frozenset[str]:
    domains = _domains(snapshot)
    pinned = {item.host for item in snapshot.all(Host)}
    return frozenset({*configured, *domains, *(f".{domain}" for domain in domains), *pinned})
