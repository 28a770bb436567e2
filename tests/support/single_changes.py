"""The single changes that an explanation names, done by hand: what a test's configuration is after each."""

from __future__ import annotations

import dataclasses
from typing import Any

from ostiary.policies.resources import PolicyBinding

FIELDS: dict[str, dict[str, Any]] = {
    "enable_binding": {"enabled": True},
    "disable_binding": {"enabled": False},
    "negate": {"negate": True},
    "do_not_negate": {"negate": False},
    "failure_result": {"failure_result": True},
}


def by_hand(
    kind: str, what: str, *, bindings: tuple[PolicyBinding, ...], member: frozenset[str], user: int
) -> dict[str, Any] | None:
    """Return the values that a change sets (`bindings`, `active`, `member`); None for a change of a mode."""
    if kind in FIELDS:
        changed = [dataclasses.replace(one, **FIELDS[kind]) if one.pk == what else one for one in bindings]
        return {"bindings": tuple(changed)}
    match kind:
        case "bind_user":
            return {"bindings": (*bindings, PolicyBinding(pk="new", target=what, user=user, order=99))}
        case "activate_account":
            return {"active": True}
        case "join_group":
            return {"member": member | {what}}
        case "leave_group":
            return {"member": member - {what}}
    return None
