"""The hooks of all rooms, joined: the same in every process."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from ostiary.room import Room, Service, ServiceRegistry


def joined_hooks(rooms: Sequence[Room]) -> Sequence[Service[Any]]:
    """Return one service for each class of hooks, with the hooks of all rooms.

    Higher rooms come first: clients are notified before lower rooms delete the data of the session.
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
    """Return one value of a class of hooks, with each list joined."""
    joined = kind()
    for hook in hooks:
        value = hook.build(services)
        for item in dataclasses.fields(kind):
            getattr(joined, item.name).extend(getattr(value, item.name))
    return joined
