"""What a flow was begun for, asked again when its plan is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.flows.resources import Flow
    from ostiary.web.request import Request

ANOTHER_URL: Final = "another_url"
"""In the context a flow is begun with: the path of ours where another person may sign in for the same thing."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What `FlowEngine.begin` was given, or would be: see there."""

    context: Mapping[str, object]
    completion: str | None = None


BeginAgain = Callable[["Request", "Flow", str], Awaitable[Beginning | None]]
"""Tells what an authentication flow that leads to this path of ours is begun for; None when it is another's path.

Whoever begins sign-ins answers for the addresses it gave out: a browser may come back to one without its cookie, or
after its plan expired.
"""


def beside_proof(completion: str) -> str:
    """Return the completion key a sign-in begun with `completion` leaves when somebody signed in beside it.

    It tells that this browser began it, not that the flow was passed.
    """
    return f"{completion}:beside"


async def for_nothing(_request: Request, _flow: Flow, _to: str) -> Beginning | None:
    """Tell that no sign-in is begun for anything."""
    return None


def first_answer(every: Iterable[BeginAgain]) -> BeginAgain:
    """Return one function for several: what the first of them tells that knows the path."""
    functions = tuple(every)

    async def begin_again(request: Request, flow: Flow, to: str) -> Beginning | None:
        for function in functions:
            beginning = await function(request, flow, to)
            if beginning is not None:
                return beginning
        return None

    return begin_again
