"""Where a plan leads when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.flows.next_url import is_relative, query_value

if TYPE_CHECKING:
    from ostiary.flows.plan import Plan


def destination(plan: Plan, query: str, home: str) -> str | None:
    """Return the plan's own redirect, else `next` of the page's query, else home. None when `next` is not ours."""
    redirect = plan.context.get("redirect")
    if isinstance(redirect, str) and redirect:
        return redirect
    asked = query_value(query, "next")
    if asked and not is_relative(asked):
        return None
    return asked or plan.next_url or home


def following_of(plan: Plan, query: str) -> str | None:
    """Return the path of ours that was asked for by `next`, or that the plan was begun with."""
    asked = query_value(query, "next") or plan.next_url
    return asked if asked and is_relative(asked) else None
