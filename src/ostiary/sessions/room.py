"""The registration of this room with the application."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from ostiary.room import MINUTE, Job, Room, Service
from ostiary.sessions import tables
from ostiary.sessions.cookie import CookieSettings
from ostiary.sessions.expiry import end_expired
from ostiary.sessions.sessions import Hooks, Sessions
from ostiary.settings import Settings

if TYPE_CHECKING:
    from ostiary.room import ServiceRegistry
    from ostiary.web.asgi import Finish


def cookies(services: ServiceRegistry) -> CookieSettings:
    """Return the domain and path of the session cookie."""
    settings = services[Settings]
    return CookieSettings(domain=settings.cookie_domain, path=settings.web.path)


def sessions(services: ServiceRegistry) -> Sessions:
    """Return the sessions service, with the hooks of other rooms."""
    life = services[Settings].sessions.unauthenticated_age
    return Sessions(services.database, services[CookieSettings], services[Hooks], anonymous=life)


def finishes(services: ServiceRegistry) -> Iterable[Finish]:
    """Return the function that sets and clears the session cookie."""
    return (services[Sessions].finish,)


def jobs(services: ServiceRegistry) -> tuple[Job]:
    """Return the job for the expiry of sessions."""
    on_end = services[Hooks].on_end

    async def end_sessions(args: Mapping[str, object], *, now: int) -> None:
        del args
        await end_expired(services.database, on_end, now)

    summary = "Ends expired sessions like a sign-out: revokes what depends on them and notifies clients"
    return (Job("sessions.end_expired", end_sessions, summary, schedule=MINUTE),)


ROOM: Final = Room(
    name="sessions",
    migrations=tables.MIGRATIONS,
    services=(Service(CookieSettings, cookies, site=True), Service(Sessions, sessions, site=True)),
    hooks=(Service(Hooks, lambda _: Hooks()),),
    finishes=finishes,
    jobs=jobs,
)
