"""What rooms hang on the end of sessions and accounts: the same wherever they end, in every process."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TypeVar

from ostiary.directory.rows.backend import AccountHooks
from ostiary.room import Room, ServiceRegistry
from ostiary.sessions.sessions import Hooks

H = TypeVar("H", Hooks, AccountHooks)


def hooks_of(rooms: Sequence[Room], services: ServiceRegistry) -> tuple[Hooks, AccountHooks]:
    """Return what the rooms hang on sessions and on accounts, as joined values.

    A room above comes first: clients are told before the rooms below forget what they know a session by.
    """
    given = [one for room in reversed(rooms) for one in room.hooks(services)]
    return _joined(Hooks, given), _joined(AccountHooks, given)


def _joined(kind: type[H], given: Iterable[object]) -> H:
    """Return one value of a class of hooks, each of its lists joined."""
    joined = kind()
    for one in given:
        if isinstance(one, kind):
            for item in dataclasses.fields(kind):
                getattr(joined, item.name).extend(getattr(one, item.name))
    return joined
