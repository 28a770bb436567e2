"""/recovery/use-token/{key}/: a link that signs in once. GET only shows a button: mail scanners follow links."""

from __future__ import annotations

from typing import Final

from ostiary.flows.password_change import password_change
from ostiary.portal import redirects
from ostiary.portal.look import Renderer
from ostiary.portal.services import Pages
from ostiary.web.csrf import form_token, is_form_token, same_origin
from ostiary.web.errors import Forbidden
from ostiary.web.parameters import unique
from ostiary.web.request import Request
from ostiary.web.response import Response, redirect

_HOME: Final = "/if/user/"


class RecoveryPage:
    """The page of recovery links."""

    def __init__(self, pages: Pages, renderer: Renderer) -> None:
        self._pages = pages
        self._renderer = renderer

    async def show(self, request: Request) -> Response:
        """GET: the button. Whether the key is valid is not told before it is used."""
        session = await self._pages.sessions.ensure(request, self._pages.clock())
        page = self._renderer.page(
            request,
            "recovery.html",
            changes=password_change(request, self._pages.plane.snapshot, back=request.prefix + _HOME) is not None,
            action=request.prefix + request.path,
            form_token=form_token(session.key, _purpose(request), self._pages.form_key),
        )
        # The address is the key: not even our own files are asked for with it, proxies log that header.
        page.headers.append(("referrer-policy", "strict-origin"))
        return page

    async def use(self, request: Request) -> Response:
        """POST: consume the key. Raises Forbidden for a foreign form, NotFound for a key that is not valid."""
        now = self._pages.clock()
        if not same_origin(request):
            raise Forbidden("cross_origin", "This form was sent from another site.")
        token = unique(await request.form()).get("_form_token", "")
        session = await self._pages.sessions.read(request, now)
        # guard: A31 a recovery link is redeemed only by a form of this browser
        if session is None or not is_form_token(token, session.key, _purpose(request), self._pages.form_key):
            return redirect(request.prefix + request.path, 303)
        to = await self._pages.recover(request, request.params["key"], now)
        return redirect(redirects.stays_here(to, request) or to, 303)


def _purpose(request: Request) -> str:
    return f"recovery {request.params['key']}"
