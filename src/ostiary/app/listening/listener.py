"""Listening, and stopping well: at SIGTERM `ready` fails at once, work in flight ends, then the rooms are closed."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, cast

from ostiary.settings import Address, SettingsError

if TYPE_CHECKING:
    import ssl

    from ostiary.app.listening.connection import Connection
    from ostiary.app.listening.endpoint import Endpoint
    from ostiary.app.listening.seats import Seats

DRAIN: Final = 1.0  # seconds between "not ready" and the closed door, so that a load balancer sees it
IN_FLIGHT: Final = 15.0  # seconds for work in flight; with the drain and the closing of rooms less than 20 in all
BACKLOG: Final = 1024
AT_ONCE: Final = 32  # connections accepted in one turn of the loop, so that a flood of them does not hold it
SHAKE_SECONDS: Final = 5.0  # for a hand-shake of TLS
FAREWELL_SECONDS: Final = 1.0  # for the end of TLS to be acknowledged
PAUSE: Final = 0.1  # seconds without accepting when there is no descriptor left
_NO_DESCRIPTOR: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_STOPPING: Final = (signal.SIGTERM, signal.SIGINT)

T = TypeVar("T")

log = logging.getLogger("ostiary.app")


class Listener:
    """One address with one ASGI application behind it."""

    def __init__(
        self,
        application: Callable[..., Any],
        address: Address,
        *,
        setting: str,
        seats: Seats | None = None,
        context: ssl.SSLContext | None = None,
        optional: bool = False,
    ) -> None:
        """`context` makes it speak TLS. An `optional` one does without when somebody else has the address.

        `seats` are shared by listeners that share them; without, it has its own.
        """
        self.address = address
        self._application = application
        self._optional = optional
        self._setting = setting
        self._seats = seats
        self._context = context
        self._socket: socket.socket | None = None
        self._endpoint: Endpoint | None = None

    async def start(self) -> None:
        """Listen. Raises SettingsError when the address cannot be used."""
        from ostiary.app.listening.endpoint import Endpoint  # noqa: PLC0415 - only a process that listens needs the parser
        from ostiary.app.listening.seats import Seats, room  # noqa: PLC0415 - as above

        try:
            self._socket = _bind(self.address, self._setting)
        except SettingsError as error:
            if not self._optional:
                raise
            log.warning("%s; set it to another address, or to off", error)
            return
        seats = self._seats if self._seats is not None else Seats(room())
        self._endpoint = Endpoint(self._application, seats, self._context)
        self._endpoint.address = self._socket.getsockname()[:2]
        self._endpoint.loop.add_reader(self._socket, self._accept)

    @property
    def listening(self) -> bool:
        """Tell whether the door is open: an optional one may have stayed shut."""
        return self._socket is not None

    @property
    def port(self) -> int:
        """The port it listens on, also where the system chose it."""
        assert self._socket is not None  # noqa: S101 - of a listener that was started
        port: int = self._socket.getsockname()[1]
        return port

    def _accept(self) -> None:
        """Take what has come. Every socket is counted before anything else is done with it."""
        for _ in range(AT_ONCE):
            if self._socket is None:
                return
            try:
                accepted, peer = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError as error:
                self._pause(error)
                return
            self._welcome(accepted, str(peer[0]))

    def _pause(self, error: OSError) -> None:
        """Accept nothing for a moment. Raises the error if waiting does not help."""
        if error.errno not in _NO_DESCRIPTOR:
            raise error
        log.warning("%s: cannot accept connections: %s", self._setting, error.strerror)
        assert self._socket is not None  # noqa: S101 - it has just been used
        assert self._endpoint is not None  # noqa: S101 - as above
        self._endpoint.loop.remove_reader(self._socket)
        self._endpoint.loop.call_later(PAUSE, self._go_on)

    def _go_on(self) -> None:
        if self._socket is not None and self._endpoint is not None:
            self._endpoint.loop.add_reader(self._socket, self._accept)

    def _welcome(self, accepted: socket.socket, peer: str) -> None:
        from ostiary.app.listening.connection import Connection  # noqa: PLC0415 - as above

        endpoint = self._endpoint
        assert endpoint is not None  # noqa: S101 - set before anything is accepted
        accepted.setblocking(False)  # noqa: FBT003 - the standard library's own spelling
        connection = Connection(endpoint, accepted, peer)
        if endpoint.seats.take(connection):
            opening = endpoint.loop.create_task(_open(endpoint, connection, accepted))
            endpoint.remember(connection, opening)
            opening.add_done_callback(partial(_opened, endpoint, connection, accepted))
        else:
            accepted.close()

    async def stop(self) -> None:
        """Close the door, and wait for work in flight."""
        endpoint = self._endpoint
        if self._socket is None or endpoint is None:
            return
        endpoint.loop.remove_reader(self._socket)
        self._socket.close()
        self._socket = None
        for connection in list(endpoint.connections):
            connection.shutdown()
        await _wait_for(endpoint)
        for connection in list(endpoint.connections):
            connection.hang_up()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(endpoint.empty.wait(), FAREWELL_SECONDS)
        for task in (left := list(endpoint.tasks)):
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _wait_for(endpoint: Endpoint) -> None:
    """Wait for what is being answered, but not for ever."""
    try:
        async with asyncio.timeout(IN_FLIGHT):
            await endpoint.empty.wait()
            while endpoint.tasks:
                await asyncio.wait(set(endpoint.tasks))
    except TimeoutError:
        log.warning("%d requests were not answered within %.0f s", len(endpoint.tasks), IN_FLIGHT)


async def _open(endpoint: Endpoint, connection: Connection, accepted: socket.socket) -> None:
    """Make a connection of an accepted socket; over TLS that is the hand-shake."""
    options: dict[str, Any] = {}
    if endpoint.context is not None:
        # guard: A74 a hand-shake has its seconds
        options = {"ssl_handshake_timeout": SHAKE_SECONDS, "ssl_shutdown_timeout": FAREWELL_SECONDS}
    await endpoint.loop.connect_accepted_socket(lambda: connection, accepted, ssl=endpoint.context, **options)


def _opened(endpoint: Endpoint, connection: Connection, accepted: socket.socket, opening: asyncio.Task[None]) -> None:
    """Let a connection go that did not come about; one that did lets itself go when it ends."""
    error = None if opening.cancelled() else opening.exception()
    if error is None and not opening.cancelled():
        return
    log.debug("a connection from %s was not opened: %s", connection.peer, error)
    if error is not None and not isinstance(error, OSError):  # of which errors of TLS and time-outs are kinds
        log.error("a connection could not be opened", exc_info=error)
    endpoint.forget(connection)
    accepted.close()


def _bind(address: Address, setting: str) -> socket.socket:
    made: socket.socket | None = None
    try:
        family, kind, proto, _, target = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, proto)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(target)
        made.listen(BACKLOG)
    except OSError as error:
        if made is not None:
            made.close()
        raise SettingsError(f"{setting}: cannot listen on {address}: {error.strerror or error}") from error
    made.setblocking(False)  # noqa: FBT003 - the standard library's own spelling
    return made


class Signals:
    """SIGTERM and SIGINT, heard from the first moment of a process to its last."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._first: asyncio.Future[signal.Signals] = self._loop.create_future()
        self._again = asyncio.Event()

    def __enter__(self) -> Self:
        for number in _STOPPING:
            self._loop.add_signal_handler(number, self._tell, number)
        return self

    def __exit__(self, *_error: object) -> None:
        for number in _STOPPING:
            self._loop.remove_signal_handler(number)

    def _tell(self, number: signal.Signals) -> None:
        if self._first.done():
            self._again.set()
        else:
            self._first.set_result(number)

    async def unless_told(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Run work, but not longer than until somebody wants us to stop; then None."""
        task = asyncio.ensure_future(work)
        waited = cast("set[asyncio.Future[object]]", {task, self._first})
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return None
        return task.result()

    async def first(self) -> signal.Signals:
        """Wait for the first signal."""
        return await self._first

    async def unless_again(self, stopping: Coroutine[Any, Any, None]) -> None:
        """Stop in order; a second signal means that nobody wants to wait for that."""
        task, hurry = asyncio.ensure_future(stopping), asyncio.ensure_future(self._again.wait())
        await asyncio.wait({task, hurry}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            log.warning("stopping at once")
            task.cancel()
        hurry.cancel()
        await asyncio.gather(task, hurry, return_exceptions=True)
