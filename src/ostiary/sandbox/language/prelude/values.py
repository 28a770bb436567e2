"""What leaves a program: plain data, and references in place of objects."""

from __future__ import annotations

from typing import Any

from ostiary.sandbox.language.prelude.iteration import ostiary_rows


def ostiary_plain(value: Any) -> Any:
    """Return a value as plain data. Raises TypeError for what is none, a function for example."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, dict):
        return {key: ostiary_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [ostiary_plain(item) for item in value]
    if hasattr(value, "ostiary_reference"):
        return value.ostiary_reference()
    if isinstance(value, bytes) or hasattr(value, "microsecond") or hasattr(value, "year") or hasattr(value, "days"):
        return value
    try:
        items = [item for item in ostiary_rows(value)]  # noqa: C416 - `list` asks for a length first
    except TypeError:
        raise TypeError("this cannot leave the expression: " + str(value)) from None
    return [ostiary_plain(item) for item in items]


def ostiary_verdict(value: Any) -> list[Any]:
    """Return whether a policy passes, and what it returned where that is plain data."""
    rows = ostiary_rows(value)
    passing = bool(rows)
    try:
        return [passing, ostiary_plain(rows)]
    except TypeError:
        return [passing, None]


def ostiary_contexts(context: dict[str, Any], plan: Any) -> list[Any]:
    """Return the context of the request, without the plan, and the plan's own, None outside of flows."""
    own = {name: value for name, value in context.items() if name != "flow_plan"}
    return [ostiary_plain(own), None if plan is None else ostiary_plain(plan.context)]
