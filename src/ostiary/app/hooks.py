"""What rooms hang on each other's hooks: the same in every process."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from ostiary.room import Room, Service, ServiceRegistry


def joined_hooks(rooms: Sequence[Room]) -> Sequence[Service[Any]]:
    """Return one service for each class of hooks, which joins what all rooms hang there.

    A room above comes first: clients are told before the rooms below forget what they know a session by.
    """
    by_kind: dict[type[Any], list[Service[Any]]] = {}
    for room in reversed(rooms):
        for hook in room.hooks:
            by_kind.setdefault(hook.kind, []).append(hook)
    return [
        Service(kind, partial(_joined, kind, hooks), site=any(hook.site for hook in hooks))
        for kind, hooks in by_kind.items()
    ]


def _joined(kind: type[Any], hooks: Iterable[Service[Any]], services: ServiceRegistry) -> object:
    """Return one value of a class of hooks, each of its lists joined."""
    joined = kind()
    for hook in hooks:
        value = hook.build(services)
        for item in dataclasses.fields(kind):
            getattr(joined, item.name).extend(getattr(value, item.name))
    return joined
