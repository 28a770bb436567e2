"""What this room gives to the application."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ostiary.directory.authenticators.devices import Devices
from ostiary.directory.rows.found import Finder
from ostiary.directory.users import Users
from ostiary.mail.outbox import Outbox
from ostiary.room import Measure, Room, Service, ServiceRegistry
from ostiary.sandbox.evaluation.evaluator import Evaluator
from ostiary.sandbox.measures import ASKED, measures
from ostiary.settings import Settings

if TYPE_CHECKING:
    from ostiary.sandbox.evaluation.runner import Runner

_MEBIBYTE: Final = 1024 * 1024
_SECOND: Final = 1_000_000


def evaluator(services: ServiceRegistry) -> Evaluator:
    """Return what has expressions run, with the limits that the operator set. Nothing is loaded or started."""
    set_by_operator = services[Settings].expressions
    users, devices, finder = services[Users], services[Devices], services[Finder]
    outbox = services[Outbox]

    def load() -> Runner:
        from ostiary.sandbox.evaluation.functions import Functions  # noqa: PLC0415 - not for those without expressions
        from ostiary.sandbox.evaluation.runner import Runner  # noqa: PLC0415 - as above
        from ostiary.sandbox.language.library import definitions  # noqa: PLC0415 - as above
        from ostiary.sandbox.reaching.allowed import AllowedHosts  # noqa: PLC0415 - as above
        from ostiary.sandbox.workers import Limits, Workers  # noqa: PLC0415 - as above

        definitions()  # reads the prelude, which the first program needs
        limits = Limits(
            seconds=set_by_operator.time / _SECOND,
            deadline=set_by_operator.deadline / _SECOND,
            memory=set_by_operator.memory * _MEBIBYTE,
            calls=set_by_operator.calls,
            output=set_by_operator.output,
        )
        allowed = AllowedHosts(set_by_operator.hosts, set_by_operator.networks)
        functions = Functions(users, devices, finder)
        return Runner(Workers(limits, slots=set_by_operator.workers), functions, outbox, allowed, asked)

    asked = dict.fromkeys(ASKED, 0)
    return Evaluator(load, asked)


def measured(services: ServiceRegistry) -> Iterable[Measure]:
    """Return how many expressions were run, with which result, and how long they waited."""
    return measures(services[Evaluator].pools, services[Evaluator].asked)


ROOM: Final = Room(name="sandbox", services=(Service(Evaluator, evaluator),), measures=measured)
