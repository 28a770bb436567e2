"""The interfaces between connection, exchange and endpoint."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from ostiary.app.listening.connection_limits import Holder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine


class Channel(Protocol):
    """The connection, as an exchange uses it."""

    takes_chunks: bool

    def write(self, data: bytes) -> None:
        """Send octets, buffered."""
        ...

    def written(self) -> Awaitable[None]:
        """Wait until the buffer is mostly sent."""
        ...

    def resume_reading(self) -> None:
        """Resume reading."""
        ...

    def abort(self) -> None:
        """Close the connection at once."""
        ...

    def answered(self, exchange: Any) -> None:
        """Continue with the next request."""
        ...


class Receiver(Channel, Holder, Protocol):
    """The connection, as the reader of its requests uses it."""

    input_closed: bool

    def receive_request(self, exchange: Any) -> None:
        """Take a request whose head was read. Raises TargetRefused."""
        ...

    def receive_body(self, body: bytes) -> None:
        """Take a part of its body."""
        ...

    def receive_end(self) -> None:
        """Take the end of the request."""
        ...


class RunningRequest(Protocol):
    """A running request, as an endpoint uses it."""

    task: asyncio.Task[None] | None

    def run(self, endpoint: Any) -> Coroutine[Any, Any, None]:
        """Run the application of the endpoint."""
        ...


class ServedConnection(Holder, Protocol):
    """A connection, as an endpoint uses it."""

    def shutdown(self) -> None:
        """Close after the pending answers."""
        ...

    def abort(self) -> None:
        """Close the connection at once."""
        ...
