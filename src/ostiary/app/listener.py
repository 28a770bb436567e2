"""Listening, and stopping well: at SIGTERM `ready` fails at once, work in flight ends, then the rooms are closed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, cast

from ostiary.settings import Address, SettingsError

if TYPE_CHECKING:
    import ssl

    from uvicorn.server import Server

DRAIN: Final = 1.0  # seconds between "not ready" and the closed door, so that a load balancer sees it
IN_FLIGHT: Final = 15  # seconds for work in flight; with the drain and the closing of rooms less than 20 in all
KEEP_ALIVE: Final = 75  # seconds an idle connection is kept
BACKLOG: Final = 1024
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
        context: ssl.SSLContext | None = None,
        optional: bool = False,
    ) -> None:
        """`context` makes it speak TLS. An `optional` one does without when somebody else has the address."""
        self.address = address
        self._optional = optional
        self._setting = setting
        self._opened = asyncio.Event()
        self._server = _server(application, address, self._opened, context)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. Raises SettingsError when the address cannot be used."""
        try:
            sockets = [_bind(self.address, self._setting)]
        except SettingsError as error:
            if not self._optional:
                raise
            log.warning("%s; set it to another address, or to off", error)
            return
        self._task = asyncio.create_task(self._server.serve(sockets=sockets))
        await self._opened.wait()

    @property
    def listening(self) -> bool:
        """Tell whether the door is open: an optional one may have stayed shut."""
        return self._task is not None

    async def stop(self) -> None:
        """Close the door, and wait for work in flight."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)


def _server(
    application: Callable[..., Any], address: Address, opened: asyncio.Event, context: ssl.SSLContext | None
) -> Server:
    _load_uvicorn()
    from uvicorn.config import Config  # noqa: PLC0415 - only a process that listens needs it
    from uvicorn.server import Server as OneServer  # noqa: PLC0415

    from ostiary.app.connection import connections  # noqa: PLC0415

    class Server(OneServer):
        """A server whose signals are handled for all listeners at once, in `until_told`."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            """Tell the listener that requests are answered from now on."""
            try:
                await super().startup(sockets)
            finally:
                opened.set()

    return Server(
        Config(
            application,
            host=address.host,
            port=address.port,
            http=connections(),
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,  # read once, by the site, from proxies that are trusted
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=IN_FLIGHT,
            timeout_keep_alive=KEEP_ALIVE,
            ssl_context_factory=(lambda _config, _default: context) if context is not None else None,
        )
    )


def _load_uvicorn() -> None:
    """Load uvicorn without its command, which brings a command line library and reloaders along.

    Its package imports three names from `uvicorn.main`; who asks for that module later gets the real one.
    """
    if "uvicorn" in sys.modules:
        return
    names = ("Server", "main", "run")
    absent = sys.modules["uvicorn.main"] = ModuleType("uvicorn.main")
    vars(absent).update(dict.fromkeys(names))
    with contextlib.suppress(ImportError):  # a version that asks for more is loaded whole, by who imports it next
        import uvicorn  # noqa: PLC0415 - as above

        for name in names:
            delattr(uvicorn, name)
    del sys.modules["uvicorn.main"]


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
