"""/if/user/ and /application/launch/: the applications a person may open, and their second factors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Final
from urllib.parse import quote

from ostiary.applications.resources import Application
from ostiary.brands.pictures import picture
from ostiary.directory.user import Subject
from ostiary.events.refusals import Refusal
from ostiary.flows.enrolment import SetupStage
from ostiary.flows.password_change import password_change
from ostiary.flows.resources import STAGE
from ostiary.portal.launch import launch_address
from ostiary.portal.look import Renderer
from ostiary.portal.services import Pages
from ostiary.portal.start import active_person, sign_in_first, signed_in_person
from ostiary.record import dataclass
from ostiary.signon.access import accessible, application_context, find_refusal
from ostiary.signon.person import sign_in_another
from ostiary.web.errors import NoAccess, NotFound
from ostiary.web.request import Request
from ostiary.web.response import Response, redirect

_ANOTHER: Final = "another"  # in the query of a launch address: another person wants to sign in for it


@dataclass(frozen=True, slots=True)
class Tile:
    """One application of the library."""

    name: str
    group: str
    about: str
    icon: str
    url: str
    new_tab: bool


@dataclass(frozen=True, slots=True)
class Group:
    """The applications under one heading, "" without one."""

    name: str
    apps: Sequence[Tile]


class Library:
    """The pages of a person who is signed in."""

    def __init__(self, pages: Pages, renderer: Renderer) -> None:
        self._pages = pages
        self._renderer = renderer

    async def show(self, request: Request) -> Response:
        """GET /if/user/."""
        now = self._pages.clock()
        subject = await signed_in_person(self._pages, request, now)
        if subject is None:
            return sign_in_first(request)
        translate = self._renderer.translator(request)
        factors = await self._pages.devices.confirmed(subject.user.pk)
        return self._renderer.page(
            request,
            "library.html",
            person=subject.user.name or subject.user.username,
            administers=subject.is_superuser,
            groups=await self._groups(request, subject, now),
            devices=[
                {
                    "name": one.name,
                    "kind": translate(self._pages.devices.kind_of(one).WORDING.name),
                    "added": datetime.fromtimestamp(one.created / 1_000_000, UTC).date().isoformat(),
                    "remove": f"{request.prefix}/if/user/factors/{one.uuid}/remove/",
                }
                for one in factors
            ],
            password=password_change(request, self._pages.plane.snapshot, back=request.prefix + "/if/user/"),
            enrolments=self._enrolments(request, translate, {one.device_class for one in factors}),
        )

    async def launch(self, request: Request) -> Response:
        """GET /application/launch/{slug}/: to the application, if the person may."""
        now = self._pages.clock()
        snapshot = self._pages.plane.snapshot
        application = snapshot.find(Application, slug=request.params["slug"])
        if application is None:
            raise NotFound
        found = await active_person(self._pages, request, now)
        if found is None:
            return sign_in_first(request)
        session, subject = found
        path = _launch_path(request, application)
        another = f"{path}?{_ANOTHER}=1"
        if request.query_one(_ANOTHER) is not None:
            return await sign_in_another(
                request, self._pages.sign_on, session, application, back=path, another=another, now=now
            )
        refusal = await find_refusal(
            request,
            self._pages.sign_on,
            subject=subject,
            application=application,
            snapshot=snapshot,
            facts={},
            now=now,
            another=another,
        )
        if refusal is not None:
            await self._record(request, refusal, subject, application, now)
            raise refusal
        address = self._address(application, subject)
        if address is None:
            raise NotFound("no_launch_url", "This application has no page to open.")
        return redirect(address)

    async def _record(
        self, request: Request, refusal: NoAccess, subject: Subject, application: Application, now: int
    ) -> None:
        """Write the refusal to log and events: its page shows a number only."""
        item = Refusal(
            where=_launch_path(request, application),
            error=refusal.code,
            reason=refusal.message,
            address=request.client,
            request_id=request.request_id,
            client=application_context(application),
            user=subject.user.who,
            trace=refusal.trace,
        )
        await self._pages.refusals.record(self._pages.sign_on.database, item, now=now)

    async def _groups(self, request: Request, subject: Subject, now: int) -> Sequence[Group]:
        launchable = [
            application
            for application in self._pages.plane.snapshot.all(Application)
            if self._address(application, subject) is not None
        ]
        tiles = [_tile(request, item) for item in await self._accessible(request, subject, launchable, now)]
        tiles.sort(key=lambda tile: (tile.group.casefold(), tile.group, tile.name.casefold()))
        return [Group(name, list(apps)) for name, apps in groupby(tiles, key=lambda tile: tile.group)]

    async def _accessible(
        self, request: Request, subject: Subject, applications: Sequence[Application], now: int
    ) -> Sequence[Application]:
        snapshot = self._pages.plane.snapshot
        services = self._pages.sign_on.policy_services
        return await accessible(
            applications, subject=subject, snapshot=snapshot, now=now, policy_services=services, request=request
        )

    def _address(self, application: Application, subject: Subject) -> str | None:
        return launch_address(application, subject=subject, snapshot=self._pages.plane.snapshot)

    def _enrolments(
        self, request: Request, translate: Callable[[str], str], have: Collection[str]
    ) -> Sequence[Mapping[str, object]]:
        back = quote(request.prefix + "/if/user/", safe="")  # for who cancels, too
        kinds = self._pages.devices.kinds
        first = any(not kinds[device_class].RESERVE for device_class in have)  # recovery codes are offered after it
        stages = [one for one in self._pages.plane.snapshot.family(STAGE) if isinstance(one, SetupStage)]
        stages.sort(key=lambda stage: list(kinds).index(stage.AUTHENTICATOR.DEVICE_CLASS))
        return [
            {
                "kind": translate(stage.AUTHENTICATOR.WORDING.name),
                "url": f"{request.prefix}/flows/-/configure/{stage.pk}/?next={back}",
                "more": stage.AUTHENTICATOR.DEVICE_CLASS in have,
            }
            for stage in stages
            if stage.configure_flow and (first or not stage.AUTHENTICATOR.RESERVE)
        ]


def _launch_path(request: Request, application: Application) -> str:
    return f"{request.prefix}/application/launch/{application.slug}/"


def _tile(request: Request, application: Application) -> Tile:
    return Tile(
        name=application.name,
        group=application.group,
        about=application.meta_description or application.meta_publisher,
        icon=picture(application.meta_icon),
        url=_launch_path(request, application),
        new_tab=application.open_in_new_tab,
    )
