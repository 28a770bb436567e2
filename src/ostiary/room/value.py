"""The value by which a room tells the application what it has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ostiary.record import dataclass
from ostiary.resource import Resource
from ostiary.room.job import Job
from ostiary.room.measure import Measure
from ostiary.room.service import Service, ServiceRegistry
from ostiary.store.database import Statement
from ostiary.store.loop import Loop
from ostiary.store.migrations import Migration
from ostiary.web.router import Route

if TYPE_CHECKING:
    from ostiary.store.workspace.changes import Backend
    from ostiary.web.asgi import Finish

Sweeper = Callable[[int], Statement]
"""Gets the time in microseconds UTC, and answers a statement that deletes at most one bite of what expired."""


def _nothing(_services: ServiceRegistry) -> tuple[()]:
    return ()


def _no_backends(_services: ServiceRegistry) -> dict[str, Backend]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What one room has; whatever it leaves out it has not.

    Definitions: `kinds`, and of those with tables of their own the `backends` by name of the kind; `migrations`, the
    steps of its tables, and `sweeps`, which delete expired rows.

    Services: `services` are what the room offers to itself and others. `hooks` are values of the classes that lower
    rooms have for it (`sessions.sessions.Hooks`, for example); those of all rooms are joined to one service of that
    class, those of a room above first. A room that takes hooks lists an empty value, so that there is always one.

    Requests: `templates` are folders with the templates of its pages, `routes` are what it answers, `endpoints` where
    it signs people on (`signon.protocols.ProtocolEndpoint`), `finishes` what is called with every answer.

    Background: `jobs` are done for it by the queue, `loops` go on beside the queue in a process that works on it,
    `watches` in every process that serves or works.
    `measures` are what the page of metrics shows of it, in every process.

    Each function is given the services; each service is built when it is first wanted.
    """

    name: str
    kinds: tuple[type[Resource], ...] = ()
    backends: Callable[[ServiceRegistry], dict[str, Backend]] = _no_backends
    migrations: Sequence[Migration] = ()
    sweeps: Sequence[Sweeper] = ()
    services: Sequence[Service[Any]] = ()
    hooks: Sequence[Service[Any]] = ()
    templates: Sequence[Path] = ()
    routes: Callable[[ServiceRegistry], Iterable[Route]] = _nothing
    endpoints: Callable[[ServiceRegistry], Iterable[object]] = _nothing
    finishes: Callable[[ServiceRegistry], Iterable[Finish]] = _nothing
    jobs: Callable[[ServiceRegistry], Iterable[Job]] = _nothing
    loops: Callable[[ServiceRegistry], Iterable[Loop]] = _nothing
    watches: Callable[[ServiceRegistry], Iterable[Loop]] = _nothing
    measures: Callable[[ServiceRegistry], Iterable[Measure]] = _nothing
