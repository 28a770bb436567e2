"""The exporter: sends what waits in the queue to the collector (OTLP over HTTP), beside all other work.

While the collector is away the spans stay in the queue, and it is asked again after growing pauses, as the
specification of OTLP wants it. What it refuses is not sent twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from ostiary.proto.otlp import CONTENT_TYPE, ExportedSpan, export_request
from ostiary.settings import TracingSettings
from ostiary.spans import CURRENT
from ostiary.store.loop import Loop
from ostiary.tracing.span_queue import BATCH, SpanQueue
from ostiary.web.outgoing.requests import OutgoingFailed, post

if TYPE_CHECKING:
    import ssl

SCOPE: Final = "ostiary"
PAUSE: Final = 0.1  # seconds between two turns
MAX_PAUSE: Final = 60.0  # seconds between two attempts, while the collector is away
FLUSH: Final = 2.0  # seconds for what is left at the end of the process
LOG_INTERVAL: Final = 300.0  # seconds until the same trouble is logged again
_MILLISECONDS: Final = 1000
_RETRIED: Final = frozenset({429, 502, 503, 504})  # OTLP 1.x, "Retryable Response Codes"

_log: Final = logging.getLogger("ostiary.tracing")


class Exporter:
    """Sends spans to one collector. `resource` describes this process."""

    def __init__(self, queue: SpanQueue, settings: TracingSettings, resource: Mapping[str, str]) -> None:
        """Raises ValueError where no collector is set."""
        if settings.address is None:
            raise ValueError("no collector is set")
        self._queue = queue
        self._address = settings.address
        self._resource = resource
        self._version = resource["service.version"]
        self._gzip = settings.exporter_otlp_compression == "gzip"
        self._certificate = settings.exporter_otlp_certificate
        self._seconds = settings.exporter_otlp_timeout / _MILLISECONDS
        self._delay = settings.bsp_schedule_delay / _MILLISECONDS
        self._headers = [
            ("content-type", CONTENT_TYPE),
            *((("content-encoding", "gzip"),) if self._gzip else ()),
            *settings.headers.items(),
        ]
        self._context: ssl.SSLContext | None = None
        self._pause = 0.0
        self._logged = -LOG_INTERVAL
        self._batches = -(-settings.bsp_max_queue_size // BATCH)
        bound = MAX_PAUSE + self._delay + 2 * self._batches * self._seconds
        self.loop: Final = Loop("traces", self._turn, every=PAUSE, bound=bound)

    async def _turn(self) -> None:
        if self._pause:
            await asyncio.sleep(self._pause)
        else:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._queue.full_batch.wait(), self._delay)
        await self.export()

    async def export(self) -> None:
        """Send what waits, until the collector is not there. Nothing that happens here is an error of the process."""
        for _ in range(self._batches):
            batch = self._queue.batch()
            if not batch:
                return
            try:
                result = await self._send(batch)
            except Exception:  # noqa: BLE001 - whatever it is, it is no trouble of the process
                _log.exception("spans cannot be sent, and are dropped")
                result = "dropped"
            if result is None:
                self._pause = min(max(2 * self._pause, self._delay), MAX_PAUSE)
                return
            if self._pause:
                _log.info("traces are sent to the collector again")
            self._pause = 0.0
            self._queue.settle(len(batch), result)

    async def flush(self) -> None:
        """Send what is left, in a short time, at the end of the process."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH):
                await self.export()
        self._queue.settle(len(self._queue), "dropped")

    async def _send(self, batch: Sequence[ExportedSpan]) -> str | None:
        """Return what became of a batch; None when it is to be sent again."""
        body = await asyncio.to_thread(partial(self._encode, batch))
        CURRENT.set(None)  # what is sent here is no work of a trace, whoever began it
        try:
            status = await post(
                self._address, body, headers=self._headers, seconds=self._seconds, context=self._tls_context()
            )
        except (OutgoingFailed, OSError) as error:
            self._trouble("the collector of traces is away, spans wait: %s", error)
            return None
        if status in _RETRIED:
            self._trouble("the collector of traces answers %s, spans wait", status)
            return None
        if status // 100 != 2:  # noqa: PLR2004 - a class of statuses
            self._trouble("the collector of traces refuses spans with status %s", status)
            return "refused"
        return "exported"

    def _encode(self, batch: Sequence[ExportedSpan]) -> bytes:
        body = export_request(batch, resource=self._resource, scope=SCOPE, version=self._version)
        return gzip.compress(body, 5) if self._gzip else body

    def _tls_context(self) -> ssl.SSLContext | None:
        """Return the context for an authority of the operator's own. Raises OSError for an unusable file."""
        if self._certificate is None or not self._address.startswith("https:"):
            return None
        if self._context is None:
            import ssl  # noqa: PLC0415 - as all of TLS to the outside

            self._context = ssl.create_default_context(cafile=self._certificate)
        return self._context

    def _trouble(self, message: str, what: object) -> None:
        """Log, at most once in a while: the traces of a whole house must not fill its log."""
        now = time.monotonic()
        if now - self._logged >= LOG_INTERVAL:
            self._logged = now
            _log.warning(message, what)
