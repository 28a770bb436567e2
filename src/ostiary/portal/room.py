"""The registration of this room with the application."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from ostiary.directory.authenticators.devices import Devices
from ostiary.directory.first_run.setup import Setup
from ostiary.directory.users import Users
from ostiary.events.refusals import Refusals
from ostiary.flows.engine import FlowEngine
from ostiary.portal.autosubmit import autosubmit_page
from ostiary.portal.error_page import ErrorPage
from ostiary.portal.look import Renderer, own_static, own_templates
from ostiary.portal.routes import routes as page_routes
from ostiary.portal.services import Pages
from ostiary.room import Room, Service
from ostiary.seal.derivation import DerivedKeys
from ostiary.sessions.sessions import Sessions
from ostiary.signon.break_glass.entry import BreakGlass
from ostiary.signon.protocols import Protocols
from ostiary.signon.recovery import Recoverer
from ostiary.signon.services import ProtocolPages, SignOnServices
from ostiary.store.configuration.plane import ConfigPlane
from ostiary.web.templates import TemplateFolders

if TYPE_CHECKING:
    from ostiary.room import ServiceRegistry
    from ostiary.web.router import Route


def pages(services: ServiceRegistry) -> Pages:
    """Return what the pages work with."""
    static = own_static()
    return Pages(
        engine=services[FlowEngine],
        sessions=services[Sessions],
        plane=services[ConfigPlane],
        users=services[Users],
        devices=services[Devices],
        setup=services[Setup],
        templates=own_templates(static, services[TemplateFolders].every),
        static=static,
        form_key=services[DerivedKeys].key("web/form"),
        clock=services.clock,
        recover=services[Recoverer].recover,
        break_glass=services[BreakGlass].enter,
        sign_on=services[SignOnServices],
        protocols=services[Protocols],
        refusals=services[Refusals],
    )


def renderer(services: ServiceRegistry) -> Renderer:
    """Return what makes pages of templates."""
    return Renderer(services[Pages].templates, services[Pages].static, services[ConfigPlane])


def protocol_pages(services: ServiceRegistry) -> ProtocolPages:
    """Return the pages that protocols answer with."""
    form_post = partial(autosubmit_page, services[Renderer])
    return ProtocolPages(form_post, services[Pages].templates.catalogs.languages)


def routes(services: ServiceRegistry) -> Sequence[Route]:
    """Return the pages and static files."""
    return page_routes(services[Pages])


ROOM: Final = Room(
    name="portal",
    services=(
        Service(Pages, pages, site=True),
        Service(Renderer, renderer, site=True),
        Service(ErrorPage, lambda services: ErrorPage(services[Renderer]), site=True),
        Service(ProtocolPages, protocol_pages, site=True),
    ),
    routes=routes,
)
