"""The paths of the pages, and of the files they load."""

from __future__ import annotations

from collections.abc import Sequence

from ostiary.flows.plans.destination import flow_page
from ostiary.portal.break_glass import PATH, BreakGlassPage
from ostiary.portal.factors import Factors
from ostiary.portal.flow.page import FlowPage
from ostiary.portal.library import Library
from ostiary.portal.look import Renderer
from ostiary.portal.recovery import RecoveryPage
from ostiary.portal.services import Pages
from ostiary.portal.start import Start
from ostiary.web.router import Route


def routes(pages: Pages) -> Sequence[Route]:
    """Return the routes of all pages and static files."""
    renderer = Renderer(pages.templates, pages.static, pages.plane)
    flow, library = FlowPage(pages, renderer), Library(pages, renderer)
    recovery, start, factors = RecoveryPage(pages, renderer), Start(pages, renderer), Factors(pages, renderer)
    glass = BreakGlassPage(pages, renderer)
    return (
        Route("GET", "/", start.show, "start"),
        Route("GET", "/robots.txt", start.robots, "robots"),
        Route("GET", "/favicon.ico", start.favicon, "favicon"),
        Route("GET", flow_page("", "{slug}"), flow.show, "flow"),
        Route("POST", flow_page("", "{slug}"), flow.answer, "flow-answer"),
        Route("GET", "/if/user/", library.show, "library"),
        Route("GET", "/if/user/factors/{uuid}/remove/", factors.ask, "factor"),
        Route("POST", "/if/user/factors/{uuid}/remove/", factors.remove, "factor-remove"),
        Route("GET", "/application/launch/{slug}/", library.launch, "launch"),
        Route("GET", "/recovery/use-token/{key}/", recovery.show, "recovery"),
        Route("POST", "/recovery/use-token/{key}/", recovery.use, "recovery-use"),
        Route("GET", PATH, glass.show, "break-glass"),
        Route("POST", PATH, glass.enter, "break-glass-enter"),
        *pages.static.routes(),
    )
