"""The registration of this room with the application."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from ostiary.events import repository, tables
from ostiary.events.outages import Outages
from ostiary.events.refusals import Refusals
from ostiary.events.session_events import logout_event
from ostiary.events.signin_log import SignInLog
from ostiary.room import MINUTE, Job, Measure, Room, Service, by_one_label
from ostiary.sessions.sessions import Hooks
from ostiary.settings import Settings
from ostiary.store.loop import Loop
from ostiary.store.sweeping import in_bites

if TYPE_CHECKING:
    from ostiary.room import ServiceRegistry
    from ostiary.store.database import Batch, Statement

_CLEANING: Final = 15 * MINUTE
_MAX_DURATION: Final = 60 * MINUTE
_EVERY: Final = 1.0  # seconds
_BOUND: Final = 60.0  # seconds: longer than any write waits for the database


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
    yield Measure(
        name="ostiary_refusals",
        summary="Refused requests, by error code.",
        labels=("reason",),
        kind="counter",
        read=partial(by_one_label, services[Refusals].counts),
    )


def watches(services: ServiceRegistry) -> Iterable[Loop]:
    """Return the loop that writes events which waited for the database."""
    refusals, outages, database = services[Refusals], services[Outages], services.database

    async def write() -> None:
        await refusals.catch_up(database)
        await outages.write(database, now=services.clock())

    yield Loop("refusals", write, every=_EVERY, bound=_BOUND)


def jobs(services: ServiceRegistry) -> Iterable[Job]:
    """Return the job that deletes events older than the retention of the settings."""
    database, retention = services.database, services[Settings].event_retention

    async def delete(args: Mapping[str, object], *, now: int) -> None:  # noqa: ARG001 - every handler takes arguments
        async def bite() -> int:
            return await database.write(lambda: _counted(repository.outdated(now, retention)))

        await in_bites(bite)

    yield Job(
        "events.retention",
        delete,
        "Deletes events older than OSTIARY_EVENT_RETENTION, in small batches",
        schedule=_CLEANING,
        limit=_MAX_DURATION,
    )


def _counted(statement: Statement) -> Batch[int]:
    return (yield statement).count


ROOM: Final = Room(
    name="events",
    migrations=tables.MIGRATIONS,
    sweeps=(repository.sweep,),
    services=(
        Service(Refusals, lambda _: Refusals()),
        Service(Outages, lambda _: Outages()),
        Service(SignInLog, lambda _: SignInLog()),
    ),
    hooks=(Service(Hooks, session_hooks),),
    jobs=jobs,
    watches=watches,
    measures=measures,
)
