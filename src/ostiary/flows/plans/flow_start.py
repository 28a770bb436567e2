"""The start of a flow: its context, completion key and return URL. It is looked up again when the plan is lost."""

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
"""Key of the initial context: our path for signing in as another user, for the same request."""


@dataclass(frozen=True, slots=True)
class FlowStart:
    """The start of a flow.

    `context` is JSON data with primary keys: `application` is {"pk", "name", "slug"}, `pending_user` is {"pk"}.
    `next_url` is our path to redirect to at the end, "" for none; an absolute URL is `context["redirect"]`.
    `completion` is a key chosen by the caller, for which `FlowEngine.completed` is true once in this session. `append`
    are stages (primary keys) that run after those of the flow.
    """

    context: Mapping[str, object]
    completion: str | None = None
    next_url: str = ""
    append: tuple[str, ...] = ()

    def plan(self, session: Session, flow: Flow) -> Plan:
        """Return the initial plan. Raises ValueError for a `next_url` that is not a path of ours."""
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


FindStart = Callable[["Request", "Flow", str], Awaitable[FlowStart | None]]
"""Returns the start of an authentication flow with this return path; None for an unknown path.

A browser may return to such a path without its cookie, or after its plan expired.
"""


def beside_proof(completion: str) -> str:
    """Return the completion key that a sign-in with `completion` leaves when the user signed in in another tab.

    It proves that this browser started the sign-in, not that the flow was passed.
    """
    return f"{completion}:beside"


async def no_start(_request: Request, _flow: Flow, _to: str) -> FlowStart | None:
    """Return None: without sign-on, no start is known."""
    return None


def first_start(every: Iterable[FindStart]) -> FindStart:
    """Join several functions to one that returns the first start found."""
    functions = tuple(every)

    async def find_start(request: Request, flow: Flow, to: str) -> FlowStart | None:
        for function in functions:
            start = await function(request, flow, to)
            if start is not None:
                return start
        return None

    return find_start
