"""Errors as people see them: what happened, in plain words, and the number to tell an administrator."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from ostiary.flows.plans.destination import FLOW_PAGES
from ostiary.portal.look import Renderer
from ostiary.web.errors import HttpError
from ostiary.web.negotiation import json_error, phrase, wants_json
from ostiary.web.request import Request
from ostiary.web.response import Response

TEXTS: Final[Mapping[int, tuple[str, str]]] = {
    200: ("No access", "You have no access to this application."),  # as authentik answers a refused application
    400: ("That did not work", "The request could not be understood."),
    401: ("Sign in first", "This page is only for people who are signed in."),
    403: ("No access", "You are not allowed to use this page."),
    404: ("Page not found", "There is no such page, or it is not for you."),
    405: ("That did not work", "This address does not take such a request."),
    413: ("Too large", "More was sent than this page takes."),
    429: ("Too many attempts", "There were too many attempts."),
    500: ("Something went wrong", "It is not your fault. Try again in a while."),
    503: ("Busy just now", "The service cannot answer at the moment. Try again shortly."),
}
HEADINGS: Final[Mapping[str, str]] = {"recovery_link": "This link does not work"}
"""Headings by the code of the error, where that of its status says something else."""
_REFUSED: Final = frozenset({"access_denied", "permission_denied"})  # authentik answers some of these with 200
_PASSING: Final = frozenset({403, 408, 413, 429, 500, 502, 503, 504})  # what may go better the next time
SETUP_CODE: Final = "setup_link_required"
"""The code of an error that is answered with the page that says where the set-up link is."""


class ErrorPage:
    """Makes the answer to an error: the `error_response` of the site."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def __call__(self, request: Request, error: HttpError) -> Response:
        """Answer JSON to programs and a page to people."""
        if wants_json(request):
            return json_error(request, error)
        if error.code == SETUP_CODE:
            return self._renderer.page(request, "setup.html", status=error.status)
        if error.status == HTTPStatus.MISDIRECTED_REQUEST:
            return self._renderer.page(request, "misdirected.html", status=error.status, request_id=request.request_id)
        translate = self._renderer.translator(request)
        refused = error.code in _REFUSED
        heading, text = TEXTS.get(403 if refused else error.status, (phrase(error.status), ""))
        retry = dict(error.headers).get("retry-after", "")
        return self._renderer.page(
            request,
            "error.html",
            status=error.status,
            code=error.status,
            heading=translate(HEADINGS.get(error.code, heading)),
            text=translate(error.message or text),
            retry=int(retry) if retry.isdigit() else 0,
            about=error,
            again=request.url if error.status in _PASSING and request.path.startswith(FLOW_PAGES) else "",
            request_id=request.request_id,
        )
