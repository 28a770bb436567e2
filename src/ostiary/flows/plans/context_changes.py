"""The allowed changes of expressions to a plan context: everything but proofs, which only stages may set."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from ostiary.policies.decision_effects import ContextChanges

PROOFS: Final = frozenset(
    {"user_backend", "auth_method", "auth_method_args", "device_grant", "outpost", "setup_token", "is_restored"}
)
"""Keys with which stages record a proof, or other rooms a waiting request."""

log: Final = logging.getLogger("ostiary.flows")


def allowed_changes(changes: ContextChanges, context: Mapping[str, object]) -> ContextChanges:
    """Return the allowed changes. A change of the pending user also drops the proof."""
    if not changes:
        return changes
    # guard: A79 an expression makes no proof
    refused = sorted(PROOFS.intersection([*changes.put, *changes.drop]))
    if refused:
        log.warning("an expression may not change %s of a plan", ", ".join(refused))
    allowed = ContextChanges(
        {name: value for name, value in changes.put.items() if name not in PROOFS},
        tuple(name for name in changes.drop if name not in PROOFS),
    )
    if _pending(allowed.applied(context)) == _pending(context):
        return allowed
    # guard: A79 a proof stays with the person who gave it
    gone = [name for name in ("user_backend", "auth_method", "auth_method_args") if name in context]
    return ContextChanges(allowed.put, (*allowed.drop, *gone))


def _pending(context: Mapping[str, object]) -> object:
    pending = context.get("pending_user")
    return pending.get("pk") if isinstance(pending, Mapping) else None
