"""The services that rooms offer each other, each found under its class and built when it is first wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar, cast

from ostiary.record import dataclass
from ostiary.store.database import Database

T = TypeVar("T")


class MissingService(LookupError):
    """A room wants a service that nobody offers here, or that needs itself: a mistake of the rooms."""


@dataclass(frozen=True, slots=True)
class Service(Generic[T]):
    """A service of a room: its class, and how it is built from the services of this and other rooms.

    `site` is that of a service which only processes that answer requests have.
    """

    kind: type[T]
    build: Callable[[ServiceRegistry], T]
    site: bool = False


class ServiceRegistry:
    """One object of each class, beside the database and the clock (microseconds since 1970 UTC)."""

    __slots__ = ("_below", "_built", "_offered", "clock", "database")

    def __init__(
        self,
        *objects: object,
        database: Database,
        clock: Callable[[], int],
        offered: Iterable[Service[Any]] = (),
        below: ServiceRegistry | None = None,
    ) -> None:
        """Objects are found under their own class, `offered` services are built, and `below` has what is not here.

        Raises ValueError where two have the same class.
        """
        self.database = database
        self.clock = clock
        self._below = below
        self._built: dict[type[Any], object] = {type(one): one for one in objects}
        self._offered: dict[type[Any], Service[Any] | None] = {}  # None while it is being built
        offers = tuple(offered)
        self._offered.update((service.kind, service) for service in offers)
        own = [*(type(one) for one in objects), *(service.kind for service in offers)]
        if len(own) != len(set(own)) or (below is not None and any(kind in below for kind in own)):
            raise ValueError("two services of one class")

    def extended(self, *objects: object, offered: Iterable[Service[Any]] = ()) -> ServiceRegistry:
        """Return a registry that has these as well. What is built there is not known here."""
        return ServiceRegistry(*objects, database=self.database, clock=self.clock, offered=offered, below=self)

    def __contains__(self, kind: type[Any]) -> bool:
        """Return whether there is a service of that class."""
        return kind in self._built or kind in self._offered or (self._below is not None and kind in self._below)

    def __getitem__(self, kind: type[T]) -> T:
        """Return the service of that class, built now if need be. Raises MissingService."""
        if kind in self._built:
            return cast("T", self._built[kind])
        if kind in self._offered:
            return self._build(kind)
        if self._below is not None:
            return self._below[kind]
        message = f"no {kind.__name__} was built"
        raise MissingService(message)

    def _build(self, kind: type[T]) -> T:
        service = self._offered[kind]
        if service is None:
            message = f"{kind.__name__} needs itself to be built"
            raise MissingService(message)
        self._offered[kind] = None
        try:
            built: T = service.build(self)
        finally:
            self._offered[kind] = service
        self._built[kind] = built
        return built
