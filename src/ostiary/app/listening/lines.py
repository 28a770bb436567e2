"""What the parts of a connection ask of each other: the line below an exchange, and the exchange above an endpoint."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from ostiary.app.listening.seats import Holder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine


class Line(Protocol):
    """What an exchange sends its answer over."""

    takes_chunks: bool

    def write(self, data: bytes) -> None:
        """Send octets, or keep them until the ones before are gone."""
        ...

    def written(self) -> Awaitable[None]:
        """Wait until the other side has taken enough of what was sent."""
        ...

    def read_on(self) -> None:
        """Read the body, which nobody had asked for until now."""
        ...

    def hang_up(self) -> None:
        """End the connection where it is."""
        ...

    def answered(self, exchange: Any) -> None:
        """Go on with the next request: this one has its answer."""
        ...


class Answering(Protocol):
    """A request that is being answered."""

    task: asyncio.Task[None] | None

    def run(self, endpoint: Any) -> Coroutine[Any, Any, None]:
        """Have the application of the endpoint answer."""
        ...


class Served(Holder, Protocol):
    """A connection as its endpoint keeps it."""

    def shutdown(self) -> None:
        """End when what is asked already has its answer."""
        ...

    def hang_up(self) -> None:
        """End the connection where it is."""
        ...
