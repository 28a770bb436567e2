"""The site of a process that traces: each request is the first span of this program in its trace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from ostiary.spans import CURRENT
from ostiary.tracing.recording import RecordedSpan
from ostiary.tracing.tracer import Tracer, parent_of
from ostiary.web.asgi import Scope, Site
from ostiary.web.request import Request
from ostiary.web.response import Response
from ostiary.web.router import Handler, Route

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER: Final = "_OTHER"  # OpenTelemetry's word for a method that is none
_SERVER_ERROR: Final = 500


class TracedSite(Site):
    """The site, with a span around every answer.

    A trace that begins here has the number of the request, which error pages, log lines and events show as well.
    """

    def __init__(self, handler: Callable[[Request], Awaitable[Response]], *, tracer: Tracer, **options: Any) -> None:
        super().__init__(handler, **options)
        self._tracer = tracer

    async def answer(self, request: Request, scope: Scope) -> Response:
        """Return the response to a request, which may be that of an error."""
        # guard: A43 a trace is continued for trusted proxies only
        parent = parent_of(scope["headers"]) if self._proxies.trusts(request.client) else None
        method = request.method if request.method in _METHODS else _OTHER
        span = self._tracer.begin(method, "server", trace_id=request.request_id, parent=parent)
        CURRENT.set(span)  # until the end of the task, so that the line of the access log has it as well
        if not isinstance(span, RecordedSpan):
            return await super().answer(request, scope)
        span.note("http.request.method", method)
        span.note("ostiary.request_id", request.request_id)
        try:
            response = await super().answer(request, scope)
        except BaseException as error:
            span.fail(type(error).__name__)  # cancelled: whoever asked is gone
            raise
        else:
            span.note("url.scheme", request.scheme)
            span.note("http.response.status_code", response.status)
            if response.status >= _SERVER_ERROR:
                span.fail(str(response.status))
            return response
        finally:
            span.end()


def traced_route(route: Route) -> Route:
    """Return the route with a handler that names the span of the request after it."""
    handler: Handler = route.handler

    async def handle(request: Request) -> Response:
        span = CURRENT.get()
        if isinstance(span, RecordedSpan):
            # guard: A73 a trace has the route of a request, never its address
            span.note("http.route", route.path)
            span.name = f"{span.name} {route.path}"
        return await handler(request)

    return Route(route.method, route.path, handle, route.name)
