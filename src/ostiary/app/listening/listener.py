"""Listening and graceful shutdown: after SIGTERM `ready` fails, running requests finish, then the rooms close."""

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
    from ostiary.app.listening.connection_limits import ConnectionLimits
    from ostiary.app.listening.endpoint import Endpoint

DRAIN: Final = 1.0  # seconds between "not ready" and the end of listening, for load balancers
IN_FLIGHT: Final = 15.0  # seconds for running requests; less than 20 in all
BACKLOG: Final = 1024
AT_ONCE: Final = 32  # connections accepted in one turn of the event loop
HANDSHAKE_TIMEOUT: Final = 5.0  # seconds for a TLS handshake
CLOSE_TIMEOUT: Final = 1.0  # seconds for the TLS close to be acknowledged
PAUSE: Final = 0.1  # seconds without accepting when descriptors are exhausted
LOG_INTERVAL: Final = 60.0  # seconds between log lines about it
_DESCRIPTORS_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_STOPPING: Final = (signal.SIGTERM, signal.SIGINT)

T = TypeVar("T")

log = logging.getLogger("ostiary.app")


class Listener:
    """One listening address with its ASGI application."""

    def __init__(
        self,
        application: Callable[..., Any],
        address: Address,
        *,
        setting: str,
        limits: ConnectionLimits | None = None,
        context: ssl.SSLContext | None = None,
        optional: bool = False,
    ) -> None:
        """`context` enables TLS. An `optional` listener is skipped when its address is in use.

        `limits` may be shared by listeners; without, it has its own.
        """
        self.address = address
        self._application = application
        self._optional = optional
        self._setting = setting
        self._limits = limits
        self._context = context
        self._socket: socket.socket | None = None
        self._endpoint: Endpoint | None = None
        self._log_again_at = 0.0  # time of the loop

    async def start(self) -> None:
        """Listen. Raises SettingsError when the address cannot be used."""
        from ostiary.app.listening.connection_limits import ConnectionLimits, connection_limit  # noqa: PLC0415 - as above
        from ostiary.app.listening.endpoint import Endpoint  # noqa: PLC0415 - only a process that listens needs the parser

        try:
            self._socket = _bind(self.address, self._setting)
        except SettingsError as error:
            if not self._optional:
                raise
            log.warning("%s; set it to another address, or to off", error)
            return
        limits = self._limits if self._limits is not None else ConnectionLimits(connection_limit())
        self._endpoint = Endpoint(self._application, limits, self._context)
        self._endpoint.address = self._socket.getsockname()[:2]
        self._endpoint.loop.add_reader(self._socket, self._accept)

    @property
    def listening(self) -> bool:
        """Whether it listens; an optional one may not."""
        return self._socket is not None

    @property
    def port(self) -> int:
        """The port, also one chosen by the system."""
        assert self._socket is not None  # noqa: S101 - of a listener that was started
        port: int = self._socket.getsockname()[1]
        return port

    def _accept(self) -> None:
        """Accept waiting connections. Each socket is counted first."""
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
            self._admit(accepted, str(peer[0]))

    def _pause(self, error: OSError) -> None:
        """Pause accepting after exhausted descriptors; raises other errors."""
        if error.errno not in _DESCRIPTORS_EXHAUSTED:
            raise error
        assert self._socket is not None  # noqa: S101 - it has just been used
        assert self._endpoint is not None  # noqa: S101 - as above
        self._endpoint.limits.errors += 1
        if self._endpoint.loop.time() >= self._log_again_at:  # it is tried ten times in a second
            self._log_again_at = self._endpoint.loop.time() + LOG_INTERVAL
            log.warning("%s: cannot accept connections: %s", self._setting, error.strerror)
        self._endpoint.loop.remove_reader(self._socket)
        self._endpoint.loop.call_later(PAUSE, self._resume)

    def _resume(self) -> None:
        if self._socket is not None and self._endpoint is not None:
            self._endpoint.loop.add_reader(self._socket, self._accept)

    def _admit(self, accepted: socket.socket, peer: str) -> None:
        from ostiary.app.listening.connection import Connection  # noqa: PLC0415 - as above

        endpoint = self._endpoint
        assert endpoint is not None  # noqa: S101 - set before anything is accepted
        accepted.setblocking(False)  # noqa: FBT003 - the standard library's own spelling
        connection = Connection(endpoint, accepted, peer)
        if endpoint.limits.admit(connection):
            opening = endpoint.loop.create_task(_open(endpoint, connection, accepted))
            endpoint.add(connection, opening)
            opening.add_done_callback(partial(_opened, endpoint, connection, accepted))
        else:
            accepted.close()

    async def stop(self) -> None:
        """Stop listening and wait for running requests."""
        endpoint = self._endpoint
        if self._socket is None or endpoint is None:
            return
        endpoint.loop.remove_reader(self._socket)
        self._socket.close()
        self._socket = None
        for connection in list(endpoint.connections):
            connection.shutdown()
        await _drain(endpoint)
        for connection in list(endpoint.connections):
            connection.abort()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(endpoint.empty.wait(), CLOSE_TIMEOUT)
        for task in (remaining := list(endpoint.tasks)):
            task.cancel()
        await asyncio.gather(*remaining, return_exceptions=True)


async def _drain(endpoint: Endpoint) -> None:
    """Wait for running requests, within a limit."""
    try:
        async with asyncio.timeout(IN_FLIGHT):
            await endpoint.empty.wait()
            while endpoint.tasks:
                await asyncio.wait(set(endpoint.tasks))
    except TimeoutError:
        log.warning("%d requests were not answered within %.0f s", len(endpoint.tasks), IN_FLIGHT)


async def _open(endpoint: Endpoint, connection: Connection, accepted: socket.socket) -> None:
    """Open the connection of an accepted socket; over TLS this is the handshake."""
    options: dict[str, Any] = {}
    if endpoint.context is not None:
        # guard: A74 a TLS handshake has a time limit
        options = {"ssl_handshake_timeout": HANDSHAKE_TIMEOUT, "ssl_shutdown_timeout": CLOSE_TIMEOUT}
    await endpoint.loop.connect_accepted_socket(lambda: connection, accepted, ssl=endpoint.context, **options)


def _opened(endpoint: Endpoint, connection: Connection, accepted: socket.socket, opening: asyncio.Task[None]) -> None:
    """Remove a connection that failed to open."""
    error = None if opening.cancelled() else opening.exception()
    if error is None and not opening.cancelled():
        return
    log.debug("a connection from %s was not opened: %s", connection.peer, error)
    if error is not None and not isinstance(error, OSError):  # of which errors of TLS and time-outs are kinds
        log.error("a connection could not be opened", exc_info=error)
    endpoint.remove(connection)
    accepted.close()


def _bind(address: Address, setting: str) -> socket.socket:
    listening_socket: socket.socket | None = None
    try:
        family, kind, proto, _, target = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening_socket = socket.socket(family, kind, proto)
        listening_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening_socket.bind(target)
        listening_socket.listen(BACKLOG)
    except OSError as error:
        if listening_socket is not None:
            listening_socket.close()
        raise SettingsError(f"{setting}: cannot listen on {address}: {error.strerror or error}") from error
    listening_socket.setblocking(False)  # noqa: FBT003 - the standard library's own spelling
    return listening_socket


class Signals:
    """Handlers of SIGTERM and SIGINT for the whole life of a process."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._first: asyncio.Future[signal.Signals] = self._loop.create_future()
        self._repeated = asyncio.Event()

    def __enter__(self) -> Self:
        for number in _STOPPING:
            self._loop.add_signal_handler(number, self._on_signal, number)
        return self

    def __exit__(self, *_error: object) -> None:
        for number in _STOPPING:
            self._loop.remove_signal_handler(number)

    def _on_signal(self, number: signal.Signals) -> None:
        if self._first.done():
            self._repeated.set()
        else:
            self._first.set_result(number)

    async def run_until_signal(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Run work until the first signal; None when it came first."""
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

    async def stop_unless_repeated(self, stopping: Coroutine[Any, Any, None]) -> None:
        """Run the shutdown; a second signal aborts it."""
        task, hurry = asyncio.ensure_future(stopping), asyncio.ensure_future(self._repeated.wait())
        await asyncio.wait({task, hurry}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            log.warning("stopping at once")
            task.cancel()
        hurry.cancel()
        await asyncio.gather(task, hurry, return_exceptions=True)
