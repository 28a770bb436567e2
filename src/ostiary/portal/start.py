"""/ , and the small fixed files: where a browser goes that asks for nothing in particular."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from ostiary.applications.resources import Application
from ostiary.brands.select import select
from ostiary.directory.user import Subject
from ostiary.flows.challenge_page import MARK
from ostiary.portal.look import Renderer
from ostiary.portal.services import Pages
from ostiary.sessions.session import Session
from ostiary.web import response as answers
from ostiary.web.request import Request
from ostiary.web.response import Response, redirect

ROBOTS: Final = "User-agent: *\nDisallow: /\n"


async def active_person(pages: Pages, request: Request, now: int) -> tuple[Session, Subject] | None:
    """Return the session and its active person, with groups; None when nobody is signed in."""
    session = await pages.sessions.read(request, now)
    if session is None or session.user is None:
        return None
    subject = await pages.users.subject(session.user)
    return (session, subject) if subject is not None and subject.user.is_active else None


async def signed_in_person(pages: Pages, request: Request, now: int) -> Subject | None:
    """Return the active person whose session this is, with groups; None when nobody is signed in."""
    found = await active_person(pages, request, now)
    return found[1] if found is not None else None


def sign_in_first(request: Request) -> Response:
    """Send the browser to the brand's sign-in, and back to where it wanted to go."""
    return redirect(f"{request.prefix}/flows/-/default/authentication/?next={quote(request.url, safe='')}")


class Start:
    """The site's front door."""

    def __init__(self, pages: Pages, renderer: Renderer) -> None:
        self._pages = pages
        self._renderer = renderer

    async def show(self, request: Request) -> Response:
        """GET /: the library; for external people the brand's default application; before set-up, how to begin."""
        now = self._pages.clock()
        subject = await signed_in_person(self._pages, request, now)
        if subject is None:
            if not await self._pages.setup.closed():
                return self._renderer.page(request, "setup.html")
            return redirect(
                f"{request.prefix}/flows/-/default/authentication/?next={quote(request.prefix, safe='')}%2F"
            )
        if subject.user.type == "external":
            slug = self._default_application(request)
            if slug is not None:
                return self._launch(request, slug)
        return redirect(request.prefix + "/if/user/")

    async def robots(self, _request: Request) -> Response:
        """GET /robots.txt: nothing here is for search engines."""
        return answers.text(ROBOTS)

    async def favicon(self, request: Request) -> Response:
        """GET /favicon.ico: the brand's."""
        return redirect(self._renderer.look(request).favicon)

    def _default_application(self, request: Request) -> str | None:
        snapshot = self._pages.plane.snapshot
        key = select(snapshot, request.host).default_application
        application = snapshot.get(Application, key) if key is not None else None
        return application.slug if application is not None else None

    def _launch(self, request: Request, slug: str) -> Response:
        to = f"{request.prefix}/application/launch/{slug}/"
        if request.query_one(MARK) is None:
            return redirect(to)
        return self._renderer.page(request, "stages/redirect.html", to=to, target="")
