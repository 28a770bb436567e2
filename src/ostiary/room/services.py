"""What is built, by its class: rooms take what they need from here, whatever the program was put together from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from ostiary.store.database import Database

T = TypeVar("T")


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
