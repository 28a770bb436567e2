"""The value by which a room tells the application what it has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ostiary.record import dataclass
from ostiary.resource import Resource
from ostiary.room.job import Job
from ostiary.room.services import ServiceRegistry
from ostiary.store.database import Statement
from ostiary.store.loop import Loop
from ostiary.store.migrations import Migration
from ostiary.web.router import Route

Sweeper = Callable[[int], Statement]
"""Gets the time in microseconds UTC, and answers a statement that deletes at most one bite of what expired."""


def _nothing(_services: ServiceRegistry) -> tuple[()]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What one room has; whatever it leaves out it has not.

    `kinds` are its definitions, `migrations` the steps of its tables, `sweeps` what deletes its expired rows.
    `hooks` gives values of the classes that lower rooms have for it (`sessions.sessions.Hooks`, for example), `routes`
    what it answers, `endpoints` where it signs people on (`signon.protocols.Endpoint`), `jobs` what is done for it in
    the background, `loops` what goes on beside the queue in a process that works on it. Each is made from the services
    that are built by then.
    """

    name: str
    kinds: tuple[type[Resource], ...] = ()
    migrations: Sequence[Migration] = ()
    sweeps: Sequence[Sweeper] = ()
    hooks: Callable[[ServiceRegistry], Iterable[object]] = _nothing
    routes: Callable[[ServiceRegistry], Iterable[Route]] = _nothing
    endpoints: Callable[[ServiceRegistry], Iterable[object]] = _nothing
    jobs: Callable[[ServiceRegistry], Iterable[Job]] = _nothing
    loops: Callable[[ServiceRegistry], Iterable[Loop]] = _nothing
