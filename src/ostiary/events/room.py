"""The registration of this room with the application."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from ostiary.events import repository, tables
from ostiary.events.refusals import Refusals
from ostiary.events.session_events import logout_event
from ostiary.events.signin_log import SignInLog
from ostiary.room import Measure, Room, Service, by_one_label
from ostiary.sessions.sessions import Hooks

if TYPE_CHECKING:
    from ostiary.room import ServiceRegistry


def session_hooks(services: ServiceRegistry) -> Hooks:
    """Return the hooks that write the events of sign-ins and sign-outs."""
    return Hooks(on_begin=[services[SignInLog].succeeded], on_logout=[logout_event])


def measures(services: ServiceRegistry) -> Iterable[Measure]:
    """Return the metrics of sign-ins, failed sign-ins and refusals."""
    sign_ins = services[SignInLog]
    yield Measure(
        name="ostiary_sign_ins",
        summary="Sign-ins, by method.",
        labels=("method",),
        kind="counter",
        read=partial(by_one_label, sign_ins.successes),
    )
    yield Measure(
        name="ostiary_sign_in_failures",
        summary="Failed sign-ins, by reason.",
        labels=("reason",),
        kind="counter",
        read=partial(by_one_label, sign_ins.failures),
    )
    if Refusals in services:  # only in a process with a web server
        yield Measure(
            name="ostiary_refusals",
            summary="Refused requests, by error code.",
            labels=("reason",),
            kind="counter",
            read=partial(by_one_label, services[Refusals].counts),
        )


ROOM: Final = Room(
    name="events",
    migrations=tables.MIGRATIONS,
    sweeps=(repository.sweep,),
    services=(Service(Refusals, lambda _: Refusals(), site=True), Service(SignInLog, lambda _: SignInLog())),
    hooks=(Service(Hooks, session_hooks),),
    measures=measures,
)
