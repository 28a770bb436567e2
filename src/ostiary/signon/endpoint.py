"""The endpoint of a protocol: its parser, its table of steps, and its answer to a refusal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from ostiary.record import dataclass
from ostiary.signon.context import Arrival, NotContinued, SignOnContext
from ostiary.signon.person import sign_in_again
from ostiary.web.errors import BadRequest, HttpError

if TYPE_CHECKING:
    from ostiary.flows.plans.beginning import Beginning
    from ostiary.flows.plans.pending_commit import PendingCommit
    from ostiary.flows.resources import Flow
    from ostiary.web.request import Request
    from ostiary.web.response import Response

C = TypeVar("C", bound=SignOnContext)
T_contra = TypeVar("T_contra", bound=SignOnContext, contravariant=True)

ALWAYS: Final = frozenset(Arrival)
BEFORE_SIGN_IN: Final = frozenset({Arrival.FIRST})
BEFORE_CONSENT: Final = frozenset({Arrival.FIRST, Arrival.SIGNED_IN})


@dataclass(frozen=True, slots=True)
class Step(Generic[T_contra]):
    """One row: the check, which answers None to go on, and the arrivals it is made at.

    With `reads` it makes the request known before anybody is signed in.
    """

    take: Callable[[T_contra], Awaitable[Response | None]]
    at: frozenset[Arrival] = ALWAYS
    reads: bool = False


class SignOnEndpoint(Generic[C]):
    """An endpoint for `protocols.Protocols`. Its steps are walked for a GET, and for the end of a flow begun here.

    `errors` are those of the protocol's steps beside HttpError. `refuse` answers them; without it they are raised.
    """

    def __init__(
        self,
        path: str,
        parse: Callable[[Request], C],
        steps: Sequence[Step[C]],
        *,
        refuse: Callable[[C, Exception], Awaitable[Response]] | None = None,
        errors: tuple[type[Exception], ...] = (),
    ) -> None:
        self.path = path
        self._parse = parse
        self._steps = steps
        self._refuse = refuse
        self._errors: tuple[type[Exception], ...] = (HttpError, *errors)
        self._not_here: tuple[type[Exception], ...] = (*self._errors, NotContinued)

    async def answer(self, request: Request) -> Response:
        """Answer a GET: a page, a flow, or the application."""
        context = self._parse(request)
        try:
            return await self._walk(context)
        except self._errors as error:
            if self._refuse is None:
                raise
            return await self._refuse(context, error)

    async def take_up(self, request: Request, pending: PendingCommit) -> Response | None:
        """Answer the request whose flow has just ended, by a redirect, and commit that end with it.

        None when its answer is an error or no redirect, or the flow was begun for something else: then nothing was
        committed. Raises PlanChanged and SessionGone.
        """
        try:
            context = self._parse(request)
            context.pending, context.at_once = pending, True
            return await self._walk(context)
        except self._not_here:
            return None

    async def begin_again(self, request: Request, flow: Flow) -> Beginning | None:
        """Tell what a sign-in whose plan is lost was begun for.

        None when the request is wrong, begins another flow, or may not begin any more: the browser then brings it
        behind an ordinary sign-in, and gets the error then.
        """
        try:
            context = self._parse(request)
            for step in self._steps:
                if step.reads:
                    await step.take(context)
        except self._errors:
            return None
        return sign_in_again(context, flow)

    async def _walk(self, context: C) -> Response:
        for step in self._steps:
            if context.arrival in step.at:
                response = await step.take(context)
                if response is not None:
                    return response
        raise BadRequest("invalid_request", "The request came to no end.")  # pragma: no cover - the last step answers
