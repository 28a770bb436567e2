"""The shared state of the connections of one listener."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl

    from ostiary.app.listening.connection_limits import ConnectionLimits
    from ostiary.app.listening.protocols import RunningRequest, ServedConnection


class Endpoint:
    """The application of a listener, its open connections, and its running requests."""

    def __init__(self, application: Any, limits: ConnectionLimits, context: ssl.SSLContext | None) -> None:
        self.application = application
        self.limits = limits
        self.context = context
        self.scheme = "http" if context is None else "https"
        self.loop = asyncio.get_running_loop()
        self.address: tuple[str, int | None] = ("", None)
        self.connections: dict[ServedConnection, asyncio.Task[Any]] = {}  # with the task that opens it
        self.tasks: set[asyncio.Task[None]] = set()
        self.empty = asyncio.Event()
        self.empty.set()

    def run(self, exchange: RunningRequest) -> None:
        """Start a task that answers a request."""
        exchange.task = task = self.loop.create_task(exchange.run(self))
        self.tasks.add(task)

    def add(self, connection: ServedConnection, opening: asyncio.Task[Any]) -> None:
        """Add a connection that is being opened."""
        self.connections[connection] = opening
        self.empty.clear()

    def remove(self, connection: ServedConnection) -> None:
        """Remove a closed connection."""
        self.limits.release(connection)
        self.connections.pop(connection, None)
        if not self.connections:
            self.empty.set()
