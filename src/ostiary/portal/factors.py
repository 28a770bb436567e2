"""/if/user/factors/{uuid}/remove/: take a second factor away. GET asks, POST does it, both soon after a sign-in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.directory.authenticators.devices import removal_event
from ostiary.flows.enrolment import FRESH, SKEW
from ostiary.portal.start import active_person, sign_in_first
from ostiary.record import dataclass
from ostiary.web.csrf import form_token, is_form_token, same_origin
from ostiary.web.errors import Forbidden, NotFound
from ostiary.web.parameters import unique
from ostiary.web.response import Response, redirect

if TYPE_CHECKING:
    from ostiary.directory.authenticators.device import Device
    from ostiary.directory.user import User
    from ostiary.portal.look import Renderer
    from ostiary.portal.services import Pages
    from ostiary.sessions.session import Session
    from ostiary.web.request import Request


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whose session asks to remove which second factor, and how many there are."""

    session: Session
    user: User
    device: Device
    last: bool


class Factors:
    """The page that removes a second factor of the person who is signed in."""

    def __init__(self, pages: Pages, renderer: Renderer) -> None:
        self._pages = pages
        self._renderer = renderer

    async def ask(self, request: Request) -> Response:
        """GET: what would be removed, and a button. Raises NotFound for what is not the person's own."""
        asked = await self._asked(request, self._pages.clock())
        if asked is None:
            return sign_in_first(request)
        translate, kind = self._renderer.translator(request), self._pages.devices.kind_of(asked.device)
        return self._renderer.page(
            request,
            "remove_factor.html",
            factor=asked.device.name,
            kind=translate(kind.WORDING.name),
            last=asked.last,
            action=request.prefix + request.path,
            form_token=form_token(asked.session.key, _purpose(asked.device), self._pages.form_key),
        )

    async def remove(self, request: Request) -> Response:
        """POST: remove it. Raises Forbidden for a form of another site."""
        now = self._pages.clock()
        if not same_origin(request):
            raise Forbidden("cross_origin", "This form was sent from another site.")
        token = unique(await request.form()).get("_form_token", "")
        asked = await self._asked(request, now)
        if asked is None or not is_form_token(token, asked.session.key, _purpose(asked.device), self._pages.form_key):
            return redirect(request.prefix + request.path, 303)
        told = removal_event(asked.device, user=asked.user, who=asked.user.who, client_ip=request.client, now=now)
        await self._pages.devices.delete(asked.user.pk, asked.device, audit_event=told)
        return redirect(request.prefix + "/if/user/", 303)

    async def _asked(self, request: Request, now: int) -> _Asked | None:
        """Return None when nobody is signed in, or not lately."""
        found = await active_person(self._pages, request, now)
        if found is None:
            return None
        session, subject = found
        if session.auth_time is None or not -SKEW <= now - session.auth_time <= FRESH:
            return None
        devices = await self._pages.devices.confirmed(subject.user.pk)
        device = next((one for one in devices if one.uuid == request.params["uuid"]), None)
        if device is None:
            raise NotFound
        return _Asked(session, subject.user, device, last=len(devices) == 1)


def _purpose(device: Device) -> str:
    return f"remove factor {device.uuid}"
