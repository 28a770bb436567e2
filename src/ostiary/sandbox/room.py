"""What this room gives to the application."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ostiary.directory.authenticators.devices import Devices
from ostiary.directory.rows.found import Finder
from ostiary.directory.users import Users
from ostiary.room import Measure, Room, Service, ServiceRegistry
from ostiary.sandbox.answering.evaluator import Evaluator
from ostiary.sandbox.answering.functions import Functions
from ostiary.sandbox.workers import Limits, Workers
from ostiary.settings import Settings

_MEBIBYTE: Final = 1024 * 1024
_SECOND: Final = 1_000_000


def workers(services: ServiceRegistry) -> Workers:
    """Return the workers, with the limits that the operator set. None is started."""
    set_by_operator = services[Settings].expressions
    limits = Limits(
        seconds=set_by_operator.time / _SECOND,
        deadline=set_by_operator.deadline / _SECOND,
        memory=set_by_operator.memory * _MEBIBYTE,
        calls=set_by_operator.calls,
        output=set_by_operator.output,
    )
    return Workers(limits, slots=set_by_operator.workers)


def measures(services: ServiceRegistry) -> Iterable[Measure]:
    """Return how many expressions were run, with which result, and how long they waited."""
    return services[Workers].measures()


def evaluator(services: ServiceRegistry) -> Evaluator:
    """Return what runs expressions."""
    return Evaluator(services[Workers], Functions(services[Users], services[Devices], services[Finder]))


ROOM: Final = Room(
    name="sandbox",
    services=(Service(Workers, workers), Service(Evaluator, evaluator)),
    measures=measures,
)
