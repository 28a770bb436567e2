"""/recovery/break-glass/: the page where an administrator enters a printed code. Nothing links to it but the print."""

from __future__ import annotations

from typing import Final

from ostiary.portal import redirects
from ostiary.portal.look import Renderer
from ostiary.portal.services import Pages
from ostiary.seal import Secret
from ostiary.web.csrf import form_token, is_form_token, same_origin
from ostiary.web.errors import BadRequest, Forbidden
from ostiary.web.parameters import unique
from ostiary.web.request import Request
from ostiary.web.response import Response, redirect

PATH: Final = "/recovery/break-glass/"
_PURPOSE: Final = "break-glass"
_REFUSED: Final = 400


class BreakGlassPage:
    """The page of break-glass codes."""

    def __init__(self, pages: Pages, renderer: Renderer) -> None:
        self._pages = pages
        self._renderer = renderer

    async def show(self, request: Request) -> Response:
        """GET: the form."""
        return await self._page(request)

    async def enter(self, request: Request) -> Response:
        """POST: use the code. Raises Forbidden for a form of another site."""
        now = self._pages.clock()
        if not same_origin(request):
            raise Forbidden("cross_origin", "This form was sent from another site.")
        form = unique(await request.form())
        session = await self._pages.sessions.read(request, now)
        token = form.get("_form_token", "")
        # guard: A31 a break-glass code is taken only from a form of this browser
        if session is None or not is_form_token(token, session.key, _PURPOSE, self._pages.form_key):
            return redirect(request.prefix + PATH, 303)
        try:
            to = await self._pages.break_glass(request, Secret(form.get("code", "")), now)
        except BadRequest as error:
            return await self._page(request, problem=error.message)
        return redirect(redirects.stays_here(to, request) or to, 303)

    async def _page(self, request: Request, *, problem: str = "") -> Response:
        session = await self._pages.sessions.ensure(request, self._pages.clock())
        page = self._renderer.page(
            request,
            "break_glass.html",
            problem=problem,
            action=request.prefix + PATH,
            form_token=form_token(session.key, _PURPOSE, self._pages.form_key),
        )
        if problem:
            page.status = _REFUSED
        return page
