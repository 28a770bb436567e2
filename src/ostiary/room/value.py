"""The value by which a room tells the application what it has, and the services that it is given for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar, cast

from ostiary.record import dataclass
from ostiary.resource import Resource
from ostiary.room.job import Job
from ostiary.store.database import Database, Statement
from ostiary.store.loop import Loop
from ostiary.store.migrations import Migration
from ostiary.web.router import Route

T = TypeVar("T")
Sweeper = Callable[[int], Statement]
"""Gets the time in microseconds UTC, and answers a statement that deletes at most one bite of what expired."""


class MissingService(LookupError):
    """A room asks for a service that was not built: a mistake of the composition root."""


class ServiceRegistry:
    """One object of each class, beside the database and the clock (microseconds since 1970 UTC)."""

    __slots__ = ("_by_class", "clock", "database")

    def __init__(self, *services: object, database: Database, clock: Callable[[], int]) -> None:
        """Each service is found under its own class. Raises ValueError where two have the same."""
        self.database = database
        self.clock = clock
        self._by_class = {type(service): service for service in services}
        if len(self._by_class) != len(services):
            raise ValueError("two services of one class")

    def extended(self, *services: object) -> ServiceRegistry:
        """Return a registry that has these services as well."""
        return ServiceRegistry(*self._by_class.values(), *services, database=self.database, clock=self.clock)

    def __getitem__(self, kind: type[T]) -> T:
        """Return the service of that class. Raises MissingService."""
        try:
            return cast("T", self._by_class[kind])
        except KeyError:
            message = f"no {kind.__name__} was built"
            raise MissingService(message) from None


def _nothing(_services: ServiceRegistry) -> tuple[()]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What one room has; whatever it leaves out it has not.

    `kinds` are its definitions, `migrations` the steps of its tables, `sweeps` what deletes its expired rows.
    `hooks` gives values of the classes that lower rooms have for it (`sessions.sessions.Hooks`, for example),
    `routes` what it answers, `endpoints` where it signs people on (`signon.protocols.ProtocolEndpoint`), `jobs`
    what is done for it in the background, `loops` what goes on beside the queue in a process that works on it. Each
    is made from the services that are built by then. `templates` are folders with the templates of its pages.
    """

    name: str
    kinds: tuple[type[Resource], ...] = ()
    migrations: Sequence[Migration] = ()
    sweeps: Sequence[Sweeper] = ()
    templates: Sequence[Path] = ()
    hooks: Callable[[ServiceRegistry], Iterable[object]] = _nothing
    routes: Callable[[ServiceRegistry], Iterable[Route]] = _nothing
    endpoints: Callable[[ServiceRegistry], Iterable[object]] = _nothing
    jobs: Callable[[ServiceRegistry], Iterable[Job]] = _nothing
    loops: Callable[[ServiceRegistry], Iterable[Loop]] = _nothing
