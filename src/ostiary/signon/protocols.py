"""The registry of sign-on endpoints, by path.

Through it, flows and pages continue requests of protocols that they do not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ostiary.flows.plans.flow_start import FlowStart
    from ostiary.flows.plans.pending_commit import PendingCommit
    from ostiary.flows.resources import Flow
    from ostiary.web.request import Request
    from ostiary.web.response import Response


class ProtocolEndpoint(Protocol):
    """One endpoint. It receives requests for its path, as a browser would send them."""

    @property
    def path(self) -> str:
        """The path, without our prefix."""
        ...

    async def answer_end(self, request: Request, pending: PendingCommit) -> Response | None:
        """Return the redirect for a request whose flow has just ended, and commit the end of the flow with it.

        Returns None, and commits nothing, when the browser must send the request itself. Raises PlanChanged and
        SessionGone.
        """
        ...

    async def answer(self, request: Request) -> Response:
        """Respond to a GET, with a page or a redirect to a flow or the application."""
        ...

    async def find_start(self, request: Request, flow: Flow) -> FlowStart | None:
        """Return the start of a sign-in whose plan is lost; None when the request no longer starts that flow."""
        ...


class Protocols:
    """The registry. It is filled once, when the application is built."""

    def __init__(self, *endpoints: ProtocolEndpoint) -> None:
        self._by_path: dict[str, ProtocolEndpoint] = {}
        self.register(*endpoints)

    def register(self, *endpoints: ProtocolEndpoint) -> None:
        """Add endpoints. Raises ValueError when a path is taken."""
        for endpoint in endpoints:
            if endpoint.path in self._by_path:
                message = f"two endpoints of sign-on at {endpoint.path}"
                raise ValueError(message)
            self._by_path[endpoint.path] = endpoint

    async def answer_end(self, request: Request, to: str, pending: PendingCommit) -> Response | None:
        """Respond to the request for which a flow has just ended (`flows.plans.pending_commit.AnswerEnd`)."""
        match = self._find(request, to)
        return None if match is None else await match[0].answer_end(match[1], pending)

    async def follow(self, request: Request, to: str) -> Response | None:
        """Respond to a GET of `to`; None if no endpoint has that path."""
        match = self._find(request, to)
        return None if match is None else await match[0].answer(match[1])

    async def find_start(self, request: Request, flow: Flow, to: str) -> FlowStart | None:
        """Return the start of a sign-in that returns to `to` (`flows.plans.flow_start.FindStart`)."""
        match = self._find(request, to)
        return None if match is None else await match[0].find_start(match[1], flow)

    def _find(self, request: Request, to: str) -> tuple[ProtocolEndpoint, Request] | None:
        """Return the endpoint of that address, and a request for it."""
        path, _, query = to.partition("?")
        if not path.startswith(request.prefix):
            return None
        own = path[len(request.prefix) :]
        endpoint = self._by_path.get(own)
        return None if endpoint is None else (endpoint, request.moved(own, query))
