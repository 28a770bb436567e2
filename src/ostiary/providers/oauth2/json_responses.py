"""Answers of the endpoints programs call: JSON that nobody keeps, errors in the words of the RFCs, and CORS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.proto.oauth2.bearer import challenge
from ostiary.proto.oauth2.errors import (
    INSUFFICIENT_SCOPE,
    INVALID_CLIENT,
    INVALID_DPOP_PROOF,
    INVALID_REQUEST,
    INVALID_TOKEN,
    USE_DPOP_NONCE,
    OAuthError,
)
from ostiary.proto.oauth2.parameters import Parameters, read_parameters
from ostiary.web.errors import HttpError
from ostiary.web.response import Response, empty, json

if TYPE_CHECKING:
    from ostiary.providers.oauth2.provider.client import Client
    from ostiary.web.request import Request

_NO_STORE: Final = (("cache-control", "no-store"), ("pragma", "no-cache"))  # RFC 6749 5.1
_METHODS: Final = "GET, POST, OPTIONS"
_STATUS: Final = {INVALID_CLIENT: 401, INVALID_TOKEN: 401, INSUFFICIENT_SCOPE: 403}
_DPOP: Final = frozenset({INVALID_DPOP_PROOF, USE_DPOP_NONCE})
_MAY_REPEAT: Final = frozenset({"resource"})  # RFC 8707 2
_REALM: Final = "ostiary"
_HEADERS_LIMIT: Final = 512
_CLIENT_ERRORS: Final = 500
_TOO_MANY: Final = 429
_SECOND: Final = 1_000_000


async def read_form_parameters(request: Request) -> Parameters:
    """Return the parameters of a form. Raises OAuthError (invalid_request), also for repeated ones (RFC 6749 3.2)."""
    try:
        parameters = read_parameters(await request.form())
    except HttpError as error:
        if error.status >= _CLIENT_ERRORS:
            raise
        raise OAuthError(INVALID_REQUEST, error.code) from error
    parameters.require_single(but=_MAY_REPEAT)
    return parameters


def token_json(value: object, status: int = 200) -> Response:
    """Answer JSON that must not be kept."""
    response = json(value, status)
    response.headers.extend(_NO_STORE)
    return response


def signed_answer(token: str, media_type: str = "application/jwt") -> Response:
    """Answer a signed or encrypted token that must not be kept."""
    return Response(200, token.encode("ascii"), [("content-type", media_type), *_NO_STORE])


def error_json(request: Request, error: OAuthError) -> Response:
    """Answer an error of the token, introspection or revocation endpoint (RFC 6749 5.2)."""
    response = token_json({**error.body(), "request_id": request.request_id}, _STATUS.get(error.code, 400))
    if error.code == INVALID_CLIENT and "authorization" in request.headers:
        # The challenge is all that oauth4webapi and openid-client show of such an answer: it names the error as well.
        challenge = f'Basic realm="{_REALM}", charset="UTF-8", error="{error.code}"'
        response.headers.append(("www-authenticate", challenge))
    return response


def too_many(request: Request, error: OAuthError, *, until: int, now: int) -> Response:
    """Answer 429 to somebody who may come again at `until` (RFC 6585 4). Times in microseconds UTC."""
    response = error_json(request, error)
    response.status = _TOO_MANY
    response.headers.append(("retry-after", str(max(1, -(-(until - now) // _SECOND)))))
    return response


def bearer_error(request: Request, error: OAuthError | None) -> Response:
    """Answer an error of a protected resource (RFC 6750 3.1, RFC 9449 7.1); None when no token was sent at all."""
    status = 401
    if error is not None:
        status = _STATUS.get(error.code, 401 if error.code in _DPOP else 400)
    dpop = "dpop" in request.headers or request.headers.get("authorization", "")[:5].lower() == "dpop "
    response = empty(status)
    response.headers.extend(_NO_STORE)
    response.headers.append(("www-authenticate", challenge(error, realm=_REALM, scheme="dpop" if dpop else "bearer")))
    return response


def allow_origin(request: Request, response: Response, client: Client | None) -> Response:
    """Let a page of the client's own origins read the answer. Answers to others are the same, without the header."""
    response.headers.append(("vary", "Origin"))
    origin = request.headers.get("origin")
    if origin is not None and client is not None and origin in client.origins:
        response.headers.append(("access-control-allow-origin", origin))
        response.headers.append(("access-control-allow-credentials", "true"))
    return response


async def preflight(request: Request) -> Response:
    """Answer OPTIONS: no client is known yet, so every origin may ask; the answer itself decides."""
    response = empty(204)
    response.headers.append(("vary", "Origin"))
    origin = request.headers.get("origin")
    if origin is not None and origin.isascii():
        wanted = request.headers.get("access-control-request-headers", "")
        response.headers.extend(
            [
                ("access-control-allow-origin", origin),
                ("access-control-allow-credentials", "true"),
                ("access-control-allow-methods", _METHODS),
            ]
        )
        if wanted and wanted.isascii() and len(wanted) <= _HEADERS_LIMIT:
            response.headers.append(("access-control-allow-headers", wanted))
    return response
