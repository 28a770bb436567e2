"""What a flow is begun for; asked again when its plan is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from ostiary.flows.next_url import is_relative
from ostiary.flows.plans.destination import destination_key
from ostiary.flows.plans.plan import Plan
from ostiary.flows.plans.repository import new_id
from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.flows.resources import Flow
    from ostiary.sessions.session import Session
    from ostiary.web.request import Request

ANOTHER_URL: Final = "another_url"
"""In the context a flow is begun with: the path of ours where another person may sign in for the same thing."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a flow is begun for.

    `context` is JSON data with primary keys: `application` is {"pk", "name", "slug"}, `pending_user` is {"pk"}.
    `next_url` is the path of ours it leads to, "" for none; an absolute end is `context["redirect"]`. `completion` is a
    key of the caller's own making that `FlowEngine.completed` answers for, once, in this session. `append` are stages
    (primary keys) that come after those of the flow.
    """

    context: Mapping[str, object]
    completion: str | None = None
    next_url: str = ""
    append: tuple[str, ...] = ()

    def plan(self, session: Session, flow: Flow) -> Plan:
        """Return the plan to begin with. Raises ValueError for a `next_url` that is no path of ours."""
        if self.next_url and not is_relative(self.next_url):
            message = f"not a path of ours: {self.next_url!r}"
            raise ValueError(message)
        return Plan(
            id=new_id(),
            slug=flow.slug,
            destination=destination_key(self.next_url),
            context=dict(self.context),
            origin=dict(self.context),
            next_url=self.next_url,
            completion=self.completion,
            append=self.append,
            user=session.user,
        )


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
