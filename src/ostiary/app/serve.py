"""A process from start to end: open, build, listen, wait for a signal, stop in reverse order."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ostiary import __version__
from ostiary.app import logs
from ostiary.app.listening.connection_limits import METRICS_CONNECTIONS, ConnectionLimits, connection_limit
from ostiary.app.listening.listener import DRAIN, Listener, Signals
from ostiary.app.metrics import Metrics, MetricsSite
from ostiary.settings import Settings
from ostiary.web.proxies import Proxies

if TYPE_CHECKING:
    from ostiary.app.core import Core
    from ostiary.settings import Address
    from ostiary.web.asgi import Site

STARTUP_TIMEOUT: Final = 30  # seconds a database may be away at start
PAUSE: Final = 1.0  # seconds between two attempts

log: Final = logging.getLogger("ostiary.app")

T = TypeVar("T")


def serve(settings: Settings, *, site: bool, worker: bool) -> None:
    """Run a process until SIGTERM or SIGINT. Raises SettingsError, StoreError, SealError when it cannot start."""
    logs.configure(settings.log_level)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, site=site, worker=worker))


def run_briefly(work: Coroutine[Any, Any, None]) -> None:
    """Run the work of one command."""
    with asyncio.Runner() as runner:
        runner.run(work)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop where it is installed; the standard loop is slower."""
    try:
        import uvloop  # noqa: PLC0415 - not for every platform
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _serve(settings: Settings, *, site: bool, worker: bool) -> None:
    from ostiary.app.core import open_core  # noqa: PLC0415 - rooms are loaded after the logs are set up

    with Signals() as signals:
        create = site and worker  # one of several processes waits for what `migrate` makes
        core = await signals.run_until_signal(
            _wait_for_database(lambda: open_core(settings, serving=True, create=create))
        )
        if core is None:
            return
        try:
            process = Process(core, site=site, worker=worker)
            await process.start()
            number = await signals.first()
            log.info("stopping (%s)", number.name)
            await signals.stop_unless_repeated(process.stop(drain=number is signal.SIGTERM))
        finally:
            await core.close()
    log.info("stopped")


# Objects made and not freed before the collector looks. A request makes hundreds and leaves no cycles behind: with
# Python's 700 the collector would look at every second request.
_COLLECT_AFTER: Final = (20_000, 20, 20)


# Seconds after the start until what it left behind is collected: not while somebody may wait for a first answer.
_SETTLE_AFTER: Final = 1.0


def _settle() -> None:
    """Collect the garbage of the start, and freeze the objects that are left: they live as long as the process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
    gc.enable()


class Process:
    """One process: listeners and background work around a core."""

    def __init__(self, core: Core, *, site: bool, worker: bool) -> None:
        from ostiary.app.background import Background  # noqa: PLC0415 - as above
        from ostiary.app.health import Health  # noqa: PLC0415 - as above
        from ostiary.app.metrics.process import connection_measures, process_measures  # noqa: PLC0415 - as above
        from ostiary.app.metrics.ticks import ClockJumps, LoopLag  # noqa: PLC0415 - as above

        self._core = core
        self._background = Background(core, worker=worker)
        self._health = Health(core.database, self._background.loops)
        self._has_site = site
        self._tls: Listener | None = None
        self.metrics = metrics = Metrics(version=__version__, digest=core.settings.image_digest)
        jumps = ClockJumps()
        self._lag = LoopLag(jumps.look)
        metrics.add(process_measures(core, self._background, self._lag, jumps))
        services = core.services
        listen = core.settings.listen
        metrics_site = MetricsSite(metrics, self._health.page)
        metrics_limits = ConnectionLimits(METRICS_CONNECTIONS)
        self._listeners = [
            Listener(metrics_site, listen.metrics, setting="OSTIARY_LISTEN__METRICS", limits=metrics_limits)
        ]
        if site:
            from ostiary.app.site import build_site  # noqa: PLC0415 - a worker alone has no pages

            built = build_site(core, metrics, self._health)
            services = built.services
            limits = ConnectionLimits(connection_limit(), trusts=Proxies(listen.trusted_proxy_cidrs).trusts)
            metrics.add(connection_measures(limits))
            self._listeners.insert(0, Listener(built.site, listen.http, setting="OSTIARY_LISTEN__HTTP", limits=limits))
            if listen.https is not None:
                self._tls = _tls_listener(core, built.site, listen.https, limits)
                self._listeners.append(self._tls)
        metrics.add(measure for room in core.rooms for measure in room.measures(services))

    async def start(self) -> None:
        """Listen, start the background work, and announce it. Raises SettingsError when an address is taken."""
        from ostiary.app.operator import banner  # noqa: PLC0415 - as above

        if self._core.tracer is not None:
            from ostiary.tracing.log_lines import TraceLines  # noqa: PLC0415 - most installations trace nothing

            logs.add_filter(TraceLines())
        for listener in self._listeners:
            await listener.start()
        self._background.start()
        self._lag.start()
        if self._has_site:
            await banner.announce(self._core, tls=self._tls is not None and self._tls.listening)
        self._health.begin()
        asyncio.get_running_loop().call_later(_SETTLE_AFTER, _settle)

    async def stop(self, *, drain: bool) -> None:
        """Stop being ready, wait until a load balancer has seen it, stop listening, and finish running requests."""
        self._health.stop()
        self._lag.stop()
        if self._has_site and drain:
            await asyncio.sleep(DRAIN)
        await asyncio.gather(*(listener.stop() for listener in self._listeners), self._background.stop())
        if self._core.tracer is not None:
            await self._core.tracer.exporter.flush()


def _tls_listener(core: Core, site: Site, address: Address, limits: ConnectionLimits) -> Listener:
    from ostiary.app.listening.tls import Certificates  # noqa: PLC0415 - as above

    setting = core.settings.shown.get("listen.https")
    return Listener(
        site,
        address,
        setting="OSTIARY_LISTEN__HTTPS",
        limits=limits,
        context=Certificates(core.plane).context(),
        optional=setting is not None and setting.source == "default",
    )


async def _wait_for_database(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Wait for a database that is still starting."""
    from ostiary.store.database import Unavailable  # noqa: PLC0415 - as above

    deadline = asyncio.get_running_loop().time() + STARTUP_TIMEOUT
    logged = False
    while True:
        try:
            return await work()
        except Unavailable as error:
            if asyncio.get_running_loop().time() > deadline:
                raise
            if not logged:
                log.warning("waiting for the database: %s", error)
            logged = True
        await asyncio.sleep(PAUSE)
