"""What a person typed into a form that came back with errors: filled in again by the GET that follows the POST.

Carried for a minute by a signed cookie of that one flow page, so that nothing is stored. It has what the
stage's page says may be in it (`ChallengePage.refilled`); the errors themselves are kept by the plan.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final, cast

from ostiary.flows.run.outcome import Challenge
from ostiary.portal.flow.challenges import page_of
from ostiary.resource import codec
from ostiary.web.csrf import form_token, is_form_token
from ostiary.web.request import Request
from ostiary.web.response import Response, set_cookie

COOKIE: Final = "ostiary_typed"
_SECONDS: Final = 60
_VALUE_LIMIT: Final = 256  # characters of one value
_MAX_LENGTH: Final = 3_000  # bytes of the cookie; browsers keep 4,096


def write(
    request: Request,
    response: Response,
    *,
    challenge: Challenge,
    answer: Mapping[str, object],
    proof: tuple[bytes, bytes],
) -> None:
    """Put the harmless values of an answer on the response. `proof` is the session's key and the form key."""
    harmless = page_of(challenge).refilled(challenge.fields)
    values = {
        name: value[:_VALUE_LIMIT] for name, value in answer.items() if isinstance(value, str) and name in harmless
    }
    packed = base64.urlsafe_b64encode(codec.encode(values)).rstrip(b"=").decode("ascii")
    if values and len(packed) <= _MAX_LENGTH:
        _set(
            request,
            response,
            f"{packed}.{form_token(proof[0], _purpose(request, challenge, packed), proof[1])}",
            _SECONDS,
        )


def read(request: Request, *, challenge: Challenge, proof: tuple[bytes, bytes]) -> Mapping[str, str]:
    """Return the values of the POST before, or nothing: what was typed in another tab is not this one's."""
    packed, _, token = request.cookies.get(COOKIE, "").partition(".")
    if not token or not is_form_token(token, proof[0], _purpose(request, challenge, packed), proof[1]):
        return {}
    return cast("Mapping[str, str]", codec.decode(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))))


def clear(request: Request, response: Response) -> None:
    """Take the cookie back once it was shown."""
    if COOKIE in request.cookies:
        _set(request, response, "", 0)


def _set(request: Request, response: Response, value: str, seconds: int) -> None:
    path = request.prefix + request.path
    set_cookie(response, COOKIE, value, max_age=seconds, path=path, secure=request.scheme == "https")


def _purpose(request: Request, challenge: Challenge, packed: str) -> str:
    return f"typed {request.path} {challenge.ticket} {packed}"
