"""Content negotiation of error responses: a page or JSON. Also a plain error page, which needs no template."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from ostiary.web import response as answers
from ostiary.web.errors import HttpError
from ostiary.web.request import Request
from ostiary.web.response import Response

_OAUTH: Final = (
    "/application/o/token/",
    "/application/o/introspect/",
    "/application/o/revoke/",
    "/application/o/par/",
    "/application/o/device/",
    "/application/o/userinfo/",
    "/login/oauth/access_token",
)
_PROGRAMS: Final = ("/api/", "/.well-known/", "/source/scim/", *_OAUTH)


def wants_json(request: Request) -> bool:
    """Return whether the client is a program, judging by the path, the content type and the Accept header."""
    if request.path.startswith(_PROGRAMS) or request.content_type == "application/json":
        return True
    accepted = request.headers.get("accept", "")
    return "application/json" in accepted and "text/html" not in accepted


def phrase(status: int) -> str:
    """Return the reason phrase of a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def json_error(request: Request, error: HttpError) -> Response:
    """Return an error in the format of API v3 (`detail`, `code`), or in that of OAuth at its endpoints."""
    detail = error.message or f"{phrase(error.status)}."
    if request.path.startswith(_OAUTH):
        body = {"error": _oauth_code(error.status), "error_description": detail, "code": error.code}
    else:
        body = {"detail": detail, "code": error.code}
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        body["request_id"] = request.request_id
    return answers.json(body, error.status)


def _oauth_code(status: int) -> str:
    """Return the OAuth error code of an HTTP error. RFC 6749 5.2 has none for server failures, but 4.1.2.1 has."""
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        return "temporarily_unavailable"
    return "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request"


def plain_error(request: Request, error: HttpError) -> Response:
    """Return an error response without templates: for tests, and in case the error page itself fails."""
    if wants_json(request):
        return json_error(request, error)
    import html  # noqa: PLC0415 - only here, and it has every entity there is

    title = html.escape(phrase(error.status))
    text = html.escape(error.message)
    return answers.html(
        f'<!doctype html><html lang="en"><title>{title}</title><h1>{title}</h1><p>{text}</p>'
        f"<p><small>{request.request_id}</small></p></html>",
        error.status,
    )
