"""The HTTP request in expressions, without secrets of ours or of the browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ostiary.web.errors import HttpError

if TYPE_CHECKING:
    from ostiary.web.request import Request

_SECRET: Final = frozenset({"authorization", "cookie", "proxy-authorization", "dpop", "x-authentik-csrf"})
_OURS: Final = ("authentik_", "ostiary_")


def http_values(request: Request, brand: Mapping[str, object]) -> dict[str, object]:
    """Return the values of a request, for `HttpRequest` of the prelude."""
    # guard: A81 an expression sees no cookie and no credentials
    headers = {name: value for name, value in request.headers.items() if name not in _SECRET}
    meta: dict[str, object] = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    meta.update(
        REMOTE_ADDR=request.client,
        REQUEST_METHOD=request.method,
        PATH_INFO=request.prefix + request.path,
        QUERY_STRING=request.query,
        SERVER_NAME=request.host.rpartition(":")[0] or request.host,
    )
    return {
        "method": request.method,
        "path": request.prefix + request.path,
        "scheme": request.scheme,
        "query": _query(request),
        "headers": headers,
        "meta": meta,
        "cookies": {name: value for name, value in request.cookies.items() if not any(own in name for own in _OURS)},
        "brand": brand,
        "base": f"{request.scheme}://{request.host}",
    }


def _query(request: Request) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    try:
        for name, value in request.query_pairs():
            found.setdefault(name, []).append(value)
    except HttpError:
        return {}
    return found
