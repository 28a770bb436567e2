"""The sign-on endpoint of a protocol: its parser, its table of steps, and its error response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from ostiary.record import dataclass
from ostiary.signon.context import Arrival, CannotContinue, SignOnContext
from ostiary.signon.person import sign_in_again
from ostiary.web.errors import BadRequest, HttpError

if TYPE_CHECKING:
    from ostiary.flows.plans.flow_start import FlowStart
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
    """One step: a function that returns a response, or None to continue, and the arrivals at which it runs.

    With `reads` it reads the request, before anybody is signed in.
    """

    take: Callable[[T_contra], Awaitable[Response | None]]
    at: frozenset[Arrival] = ALWAYS
    reads: bool = False


class SignOnEndpoint(Generic[C]):
    """An endpoint for `protocols.Protocols`. Its steps run for a GET, and at the end of a flow that it started.

    `errors` are the exceptions of the protocol's steps besides HttpError. `refuse` turns them into a response; without
    it they are raised.
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
        self._unanswerable: tuple[type[Exception], ...] = (*self._errors, CannotContinue)

    async def answer(self, request: Request) -> Response:
        """Respond to a GET, with a page or a redirect to a flow or the application."""
        context = self._parse(request)
        try:
            return await self._walk(context)
        except self._errors as error:
            if self._refuse is None:
                raise
            return await self._refuse(context, error)

    async def answer_end(self, request: Request, pending: PendingCommit) -> Response | None:
        """Return the redirect for a request whose flow has just ended, and commit the end of the flow with it.

        Returns None, and commits nothing, when the response is an error or no redirect, or when the flow was started
        for another request. Raises PlanChanged and SessionGone.
        """
        try:
            context = self._parse(request)
            context.pending, context.redirect_only = pending, True
            return await self._walk(context)
        except self._unanswerable:
            return None

    async def find_start(self, request: Request, flow: Flow) -> FlowStart | None:
        """Return the start of a sign-in whose plan is lost.

        None when the request is invalid or expired, or starts another flow. The user then signs in without the
        request, and the browser sends it afterwards and gets its error.
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
        raise BadRequest("invalid_request", "The request was not answered.")  # pragma: no cover - the last step answers
