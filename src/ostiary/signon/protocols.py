"""The endpoints at which protocols sign people on, each found by its path.

Flows and pages ask here about the addresses they lead to; they know no protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ostiary.flows.plans.beginning import Beginning
    from ostiary.flows.plans.pending_commit import PendingCommit
    from ostiary.flows.resources import Flow
    from ostiary.web.request import Request
    from ostiary.web.response import Response


class ProtocolEndpoint(Protocol):
    """One endpoint. The requests it is handed are for its path, as a browser would bring them."""

    @property
    def path(self) -> str:
        """The path, without our prefix."""
        ...

    async def take_up(self, request: Request, pending: PendingCommit) -> Response | None:
        """Answer the request whose flow has just ended, by a redirect, and commit that end with it.

        None when the browser has to bring the request itself; then nothing was committed. Raises PlanChanged and
        SessionGone.
        """
        ...

    async def answer(self, request: Request) -> Response:
        """Answer a GET: a page, a flow, or the application."""
        ...

    async def begin_again(self, request: Request, flow: Flow) -> Beginning | None:
        """Tell what a sign-in whose plan is lost was begun for; None when it does not begin that flow any more."""
        ...


class Protocols:
    """The registry. It is filled once, when the application is built."""

    def __init__(self, *endpoints: ProtocolEndpoint) -> None:
        self._by_path: dict[str, ProtocolEndpoint] = {}
        self.register(*endpoints)

    def register(self, *endpoints: ProtocolEndpoint) -> None:
        """Add endpoints. Raises ValueError for a path that another one has."""
        for endpoint in endpoints:
            if endpoint.path in self._by_path:
                message = f"two endpoints of sign-on at {endpoint.path}"
                raise ValueError(message)
            self._by_path[endpoint.path] = endpoint

    async def take_up(self, request: Request, to: str, pending: PendingCommit) -> Response | None:
        """Answer the request to which a flow leads that has just ended (`flows.plans.pending_commit.TakeUp`)."""
        match = self._find(request, to)
        return None if match is None else await match[0].take_up(match[1], pending)

    async def follow(self, request: Request, to: str) -> Response | None:
        """Answer what the browser would ask for at `to`; None where there is no endpoint."""
        match = self._find(request, to)
        return None if match is None else await match[0].answer(match[1])

    async def begin_again(self, request: Request, flow: Flow, to: str) -> Beginning | None:
        """Tell what a sign-in that leads to `to` was begun for (`flows.plans.beginning.BeginAgain`)."""
        match = self._find(request, to)
        return None if match is None else await match[0].begin_again(match[1], flow)

    def _find(self, request: Request, to: str) -> tuple[ProtocolEndpoint, Request] | None:
        """Return the endpoint of that address and the request a browser would bring it."""
        path, _, query = to.partition("?")
        if not path.startswith(request.prefix):
            return None
        own = path[len(request.prefix) :]
        endpoint = self._by_path.get(own)
        return None if endpoint is None else (endpoint, request.moved(own, query))
