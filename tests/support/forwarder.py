"""A stable address: a small TCP forwarder whose target is switched by the test, and which can pass bytes on late or
not at all."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator


class Forwarder:
    """Listens on a port of its own; new connections go to `target`, those that are open stay where they are."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.flows = asyncio.Event()
        self.flows.set()
        self.delay = 0.0  # seconds that every piece is late
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Close every open connection."""
        for writer in self._open:
            writer.transport.abort()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on."""
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, back}
        try:
            await asyncio.gather(self._pass(reader, back), self._pass(there, writer))
        finally:
            for one in (writer, back):
                one.transport.abort()
                self._open.discard(one)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                await self.flows.wait()
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


@contextlib.asynccontextmanager
async def forwarding(target: int) -> AsyncIterator[Forwarder]:
    """Forward from a free port of the loopback to another one."""
    made = Forwarder(target)
    server = await asyncio.start_server(made.accept, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.flows.set()
        made.cut()
        await asyncio.sleep(0)


@contextlib.contextmanager
def forwarding_in_thread(target: int) -> Iterator[Forwarder]:
    """The same for tests without a loop. `target` and `delay` are set at any moment; nothing else is touched."""
    made: list[Forwarder] = []
    ready, over = threading.Event(), threading.Event()

    async def run() -> None:
        async with forwarding(target) as forwarder:
            made.append(forwarder)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    ready.wait(60)
    try:
        yield made[0]
    finally:
        over.set()
        thread.join()
