"""Error responses in the metrics and the audit log. One table says which of them are refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.events.outages import Outages
from ostiary.events.refusals import Refusal, Refusals
from ostiary.web.logged import logged_path

if TYPE_CHECKING:
    from ostiary.app.health import Health
    from ostiary.app.metrics import Metrics
    from ostiary.room import ServiceRegistry
    from ostiary.web.errors import HttpError
    from ostiary.web.request import Request

_TOO_MANY: Final = 429
_UNAVAILABLE: Final = 503
# Error codes of other statuses. Errors that a room records itself, with more details, are not in this table.
_REFUSALS: Final = frozenset({"authentication_failed", "cross_origin", "recovery_link"})


class ErrorRecorder:
    """Counts and records the errors of the site: its `on_error`."""

    def __init__(self, services: ServiceRegistry, metrics: Metrics, health: Health) -> None:
        self._refusals = services[Refusals]
        self._outages = services[Outages]
        self._services = services
        self._metrics = metrics
        self._health = health

    async def __call__(self, request: Request, error: HttpError) -> None:
        """Count an error, and record it if it is a refusal without a record."""
        if error.status == _TOO_MANY:
            self._metrics.throttled(error.code)
        elif error.status == _UNAVAILABLE:
            self._metrics.unavailable(error.code)
            self._health.record_unavailable(error.code)
            self._outages.note(_refusal(request, error), now=self._services.clock())
            return
        if not error.recorded and (error.status == _TOO_MANY or error.code in _REFUSALS):
            await self._refusals.record(self._services.database, _refusal(request, error), now=self._services.clock())


def _refusal(request: Request, error: HttpError) -> Refusal:
    return Refusal(
        where=logged_path(request.path, request.params),
        error=error.code,
        reason=error.reason or error.message or error.code,
        address=request.client,
        request_id=request.request_id,
        user=error.user,
        named=True,
    )
