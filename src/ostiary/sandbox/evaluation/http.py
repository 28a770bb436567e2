"""The HTTP request in expressions, without secrets of ours or of the browser."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from ostiary.web.errors import HttpError

if TYPE_CHECKING:
    from ostiary.web.request import Request

_SECRET: Final = frozenset({"authorization", "cookie", "proxy-authorization", "dpop", "x-authentik-csrf"})
_OURS: Final = ("authentik_", "ostiary_")


_SECRET_FIELDS: Final = ("assertion", "code", "password", "secret", "token")
_TENANT: Final[Mapping[str, object]] = {  # the settings of authentik that are not ours to change
    "default_user_change_name": True,
    "default_user_change_email": False,
    "default_user_change_username": False,
}


def http_values(
    request: Request, brand: Mapping[str, object], form: Iterable[tuple[str, str]] = ()
) -> dict[str, object]:
    """Return the values of a request, for `HttpRequest` of the prelude. `form` is what was sent with it."""
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
        # guard: A81 an expression sees no credentials of a form
        "form": _listed(pair for pair in form if not any(one in pair[0].lower() for one in _SECRET_FIELDS)),
        "headers": headers,
        "meta": meta,
        "cookies": {name: value for name, value in request.cookies.items() if not any(own in name for own in _OURS)},
        "brand": brand,
        "tenant": _TENANT,
        "base": f"{request.scheme}://{request.host}",
    }


def _query(request: Request) -> dict[str, list[str]]:
    try:
        return _listed(request.query_pairs())
    except HttpError:
        return {}


def _listed(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found
