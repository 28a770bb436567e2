"""What the connections of one listener share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl

    from ostiary.app.listening.lines import Answering, Served
    from ostiary.app.listening.seats import Seats


class Endpoint:
    """The application behind a listener, the connections that are open, and the requests that are being answered."""

    def __init__(self, application: Any, seats: Seats, context: ssl.SSLContext | None) -> None:
        self.application = application
        self.seats = seats
        self.context = context
        self.scheme = "http" if context is None else "https"
        self.loop = asyncio.get_running_loop()
        self.address: tuple[str, int | None] = ("", None)
        self.connections: dict[Served, asyncio.Task[Any]] = {}  # and what opens it, or has
        self.tasks: set[asyncio.Task[None]] = set()
        self.empty = asyncio.Event()
        self.empty.set()

    def run(self, exchange: Answering) -> None:
        """Have a request answered, beside all others."""
        exchange.task = task = self.loop.create_task(exchange.run(self))
        self.tasks.add(task)

    def remember(self, connection: Served, opening: asyncio.Task[Any]) -> None:
        """Keep a connection that is being opened."""
        self.connections[connection] = opening
        self.empty.clear()

    def forget(self, connection: Served) -> None:
        """Let a connection go that has ended."""
        self.seats.leave(connection)
        self.connections.pop(connection, None)
        if not self.connections:
            self.empty.set()
