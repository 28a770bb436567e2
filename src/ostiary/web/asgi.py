"""The ASGI application: the middleware around every handler.

In order: limits, trusted proxies, host, path prefix, router; then error responses, the hooks of other rooms (session
cookies), security headers, and a line in the access log.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from random import Random
from typing import Any, Final, Protocol

from ostiary.resource.bounded_cache import BoundedCache
from ostiary.web import static
from ostiary.web.errors import BadRequest, HttpError
from ostiary.web.logged import logged_path
from ostiary.web.negotiation import plain_error
from ostiary.web.parameters import decode_path
from ostiary.web.proxies import Proxies
from ostiary.web.request import AT_HAND, Receive, Request
from ostiary.web.response import Response

PATH_LIMIT: Final = 2048  # bytes
QUERY_LIMIT: Final = 49_152  # bytes; usual authorization requests have 2,000, but nested in a flow's address they grow
HEADERS_LIMIT: Final = 32_768  # bytes of all names and values
HEADER_COUNT_LIMIT: Final = 100

# guard: A29 a page may run only our own scripts
CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'self'; base-uri 'none'"
)
_ALWAYS: Final = ((b"x-powered-by", b"authentik"), (b"x-content-type-options", b"nosniff"))
_WITHOUT_LENGTH: Final = frozenset({204, 304})
_CONSTANT: Final = frozenset({"content-type", "cache-control", "pragma", "vary", "x-frame-options", "referrer-policy"})
_UNAVAILABLE: Final = 503
_MANY_SENT: Final = 256  # cached encoded headers
# "same-origin" instead of "no-referrer": with the latter, browsers send "Origin: null" with our own forms.
# guard: A41 pages are not cached by browsers
_PAGE: Final = tuple(
    (name, (name.encode(), value.encode()))
    for name, value in (
        ("content-security-policy", CSP),
        ("x-frame-options", "SAMEORIGIN"),
        ("referrer-policy", "same-origin"),
        ("cache-control", "no-store"),
    )
)
_WELL_KNOWN_TWICE: Final = "//.well-known/"  # from clients that append "/.well-known" to an issuer that ends with "/"
# A repetition of these headers may be an attempt to make us and a proxy use different values.
_ONCE: Final = frozenset(
    {"host", "authorization", "content-length", "content-type", "origin", "sec-fetch-site", "dpop", "x-authentik-csrf"}
)
_LISTS: Final = frozenset(
    {"accept", "accept-encoding", "accept-language", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"}
)
# Served at any host: probes use an address instead of a name, and the error page needs its style sheet.
_ANYWHERE: Final = ("/-/health/", static.PATH)
_NONE: Final[Mapping[str, Any]] = {}

# Not allowed in a header: these characters end it or confuse parsers (RFC 9110 5.5).
_UNSENDABLE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_UNSENDABLE_NAME: Final = re.compile(rb"[^!#$%&'*+.^_`|~0-9A-Za-z-]")
# Request ids correlate log lines. They are not secret, and need no system call for randomness.
_ids: Final = Random()  # noqa: S311 - see above

WHOLE: Final = "ostiary.whole"
"""The ASGI extension for sending a complete response at once: (status, encoded headers, body) -> accepted or not."""

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Whole = Callable[[int, Sequence[tuple[bytes, bytes]], bytes], bool]
Finish = Callable[[Request, Response], None]
ErrorRenderer = Callable[[Request, HttpError], Response]
Translate = Callable[[Exception], HttpError | None]
OnError = Callable[[Request, HttpError], Awaitable[None]]

access_log = logging.getLogger("ostiary.access")
log = logging.getLogger("ostiary.web")


class ServedHosts(Protocol):
    """The hosts whose requests are served."""

    def accepts(self, request: Request) -> bool:
        """Return whether the host of a request is served. `request.path` has no prefix."""

    async def refusal(self, request: Request) -> HttpError | None:
        """Return the error for an unknown host, or None if the host has become known meanwhile."""


def _no_translation(_error: Exception) -> None:
    return None


async def _ignore(_request: Request, _error: HttpError) -> None:
    return


class Site:
    """The ASGI application.

    `handler` is the router. `hosts` are the served hosts (None: all); health checks and static files are served at any
    host. `finish` functions are called with every response, in order. `error_response` renders errors. `translate`
    converts the errors of other rooms to HttpErrors. `from_proxies` are header names in lower case; such a header is
    dropped unless a trusted proxy sent it. `on_error` is called for every error response.
    """

    def __init__(
        self,
        handler: Callable[[Request], Awaitable[Response]],
        *,
        prefix: str = "",
        proxies: Proxies | None = None,
        hosts: ServedHosts | None = None,
        finish: Sequence[Finish] = (),
        error_response: ErrorRenderer = plain_error,
        translate: Translate = _no_translation,
        from_proxies: Sequence[str] = (),
        on_error: OnError = _ignore,
    ) -> None:
        self._handler = handler
        self._on_error = on_error
        self._from_proxies = tuple(from_proxies)
        self._prefix = prefix.rstrip("/")
        self._proxies = proxies or Proxies()
        self._hosts = hosts
        self._finish = tuple(finish)
        self._error_response = error_response
        self._translate = translate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry point: http is served, a websocket refused, and the lifespan acknowledged."""
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "websocket":
                await send({"type": "websocket.close", "code": 1000})
            case "lifespan":
                await _lifespan(receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        extensions = scope.get("extensions") or _NONE
        request = Request(
            method=scope["method"],
            scheme=scope.get("scheme", "http"),
            client=(scope.get("client") or ("",))[0],
            prefix=self._prefix,
            request_id=f"{_ids.getrandbits(128):032x}",
            receive=receive,
            at_hand=extensions.get(AT_HAND),
        )
        if request.scheme == "https":  # of the connection itself, without the proxies' headers
            request.own_tls = True
        response = await self.answer(request, scope)
        await _send(request, response, send, extensions.get(WHOLE))
        if access_log.isEnabledFor(logging.INFO):
            # The query is never logged, because it contains codes and tokens. Neither are secrets in a path.
            # guard: A73 the access log contains no link keys
            access_log.info(
                "%s %s %d %.1fms %s %s",
                request.method,
                logged_path(request.path, request.params),
                response.status,
                (time.perf_counter() - started) * 1000,
                request.client,
                request.request_id,
            )

    async def answer(self, request: Request, scope: Scope) -> Response:
        """Return the response to a request, which may be that of an error."""
        try:
            inside = self._read(request, scope)
            if self._hosts is not None and not self._hosts.accepts(request):
                await _refuse(self._hosts, request)
            response = await self._handler(request) if inside else _outside(request)
        except Exception as error:  # noqa: BLE001 - the one place where errors become responses
            response = await self._failed(request, error)
        try:
            for finish in self._finish:
                finish(request, response)
        except Exception as error:  # noqa: BLE001 - as above
            response = await self._failed(request, error)
        return response

    async def _failed(self, request: Request, error: Exception) -> Response:
        http_error = error if isinstance(error, HttpError) else self._translate(error)
        if http_error is None:
            log.error("request %s failed", request.request_id, exc_info=error)
            http_error = HttpError(500, "internal_error")
        elif http_error.status == _UNAVAILABLE:
            detail = "" if http_error is error else f": {error}"
            log.warning("request %s is answered 503, %s%s", request.request_id, http_error.code, detail)
        try:
            await self._on_error(request, http_error)
        except Exception:
            log.exception("the error of request %s is not recorded", request.request_id)
        try:
            response = self._error_response(request, http_error)
        except Exception:
            log.exception("the error page of request %s failed", request.request_id)
            response = plain_error(request, http_error)
        response.headers.extend(http_error.headers)
        return response

    def _read(self, request: Request, scope: Scope) -> bool:
        """Parse and validate the request. Returns False if the path lacks the prefix."""
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode("utf-8")
        raw_query: bytes = scope.get("query_string", b"")
        if len(raw_path) > PATH_LIMIT or len(raw_query) > QUERY_LIMIT:
            raise HttpError(414, "uri_too_long", "The address is too long.")
        request.headers = _headers(scope["headers"])
        if self._from_proxies:
            request.headers = self._without_forged(request, scope["headers"])
        origin = self._proxies.origin(request.client, request.scheme, request.headers)
        request.client, request.scheme, request.host = origin.client, origin.scheme, origin.host
        # guard: A47 a malformed host is refused
        if not origin.host:
            request.host = "localhost"
            raise BadRequest("malformed_host", "The Host header is missing or malformed.")
        try:
            request.query = raw_query.decode("ascii")
            path = decode_path(raw_path.partition(b"?")[0].decode("ascii"))
        except UnicodeDecodeError:
            raise BadRequest("malformed_path", "The address is not valid.") from None
        if _WELL_KNOWN_TWICE in path:
            path = path.replace(_WELL_KNOWN_TWICE, _WELL_KNOWN_TWICE[1:])
        inside = path == self._prefix or path.startswith(self._prefix + "/")
        request.path = path[len(self._prefix) :] if inside else path
        return inside

    def _without_forged(self, request: Request, raw: Sequence[tuple[bytes, bytes]]) -> Mapping[str, str]:
        """Return the headers. Those reserved for trusted proxies are dropped if anybody else sent them."""
        trusted = self._proxies.trusts(request.client)
        names = [name.decode("latin-1").lower() for name, _ in raw]
        for name in self._from_proxies:
            if trusted and names.count(name) > 1:  # one of them is from the client, not from the proxy
                raise BadRequest("duplicate_header", "A header was sent more than once.")
        # guard: A43 forwarded headers are accepted from trusted proxies only
        if trusted:
            return request.headers
        return {name: value for name, value in request.headers.items() if name not in self._from_proxies}


def _outside(_request: Request) -> Response:
    """Refuse a path outside the prefix. Raises HttpError 404."""
    raise HttpError(404, "not_found")


async def _refuse(hosts: ServedHosts, request: Request) -> None:
    """Refuse a request for an unknown host. Raises HttpError."""
    if request.path.startswith(_ANYWHERE):
        return
    refusal = await hosts.refusal(request)
    # guard: A47 requests for an unknown host are refused
    if refusal is not None:
        raise refusal


def _headers(raw: Sequence[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Return the headers by lower-case name. Raises HttpError: 431 above the limits, 400 for a forbidden repetition."""
    size = 0
    headers: dict[str, str] = {}
    for name_bytes, value_bytes in raw:
        size += len(name_bytes) + len(value_bytes)
        name, value = name_bytes.decode("latin-1").lower(), value_bytes.decode("latin-1")
        if name in headers:
            if name in _ONCE:
                raise BadRequest("duplicate_header", "A header was sent more than once.")
            if name == "cookie":
                value = f"{headers[name]}; {value}"
            elif name in _LISTS:
                value = f"{headers[name]}, {value}"
        headers[name] = value
    # guard: A69 request headers have a size limit
    if len(raw) > HEADER_COUNT_LIMIT or size > HEADERS_LIMIT:
        raise HttpError(431, "headers_too_large", "The headers are too large.")
    return headers


async def _send(request: Request, response: Response, send: Send, whole: Whole | None) -> None:
    headers = _outgoing(request, response)
    body = b"" if request.method == "HEAD" else response.body
    if whole is not None and whole(response.status, headers, body):
        return
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _outgoing(request: Request, response: Response) -> list[tuple[bytes, bytes]]:
    """Return all headers of a response, encoded. Raises ValueError for a malformed one."""
    headers = []
    kind = ""
    names = set()
    for pair in response.headers:
        headers.append(_sent.get(pair) or _encoded(pair))
        name = pair[0]
        names.add(name)
        if name == "content-type":
            kind = pair[1]
    if kind.startswith("text/html"):
        headers += [pair for name, pair in _PAGE if name not in names]
    elif "cache-control" not in names:
        headers.append((b"cache-control", b"no-store"))
    headers += _ALWAYS
    headers.append((b"x-authentik-id", request.request_id.encode()))
    if response.status not in _WITHOUT_LENGTH:
        headers.append((b"content-length", b"%d" % len(response.body)))
    return headers


def _encoded(pair: tuple[str, str]) -> tuple[bytes, bytes]:
    """Return an encoded header. Constant ones are cached. Raises ValueError."""
    name, value = pair[0].encode("latin-1"), pair[1].encode("latin-1")
    # guard: A47 a line break in a header cannot split a response
    if _UNSENDABLE.search(value):
        raise ValueError("a header value contains a forbidden character")
    if _UNSENDABLE_NAME.search(name):
        raise ValueError("a header name contains a forbidden character")
    if pair[0] in _CONSTANT:
        _sent.keep(pair, (name, value))
    return name, value


_sent: Final[BoundedCache[tuple[str, str], tuple[bytes, bytes]]] = BoundedCache(_MANY_SENT)


async def _lifespan(receive: Receive, send: Send) -> None:
    """Acknowledge lifespan events. The application itself does start-up and shutdown."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
