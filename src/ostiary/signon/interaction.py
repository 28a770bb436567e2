"""Interactions: a started flow that waits for the user, and the redirect to its page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.flows.plans.destination import page_address
from ostiary.flows.stages.consent import ConsentStage
from ostiary.record import dataclass
from ostiary.store.workspace.commit import write_all
from ostiary.web.response import Response, redirect

if TYPE_CHECKING:
    from ostiary.flows.resources import Flow
    from ostiary.signon.context import SignOnContext
    from ostiary.web.request import Request


async def prolong_request(context: SignOnContext) -> None:
    """Extend the lifetime of the request's stored data, before a flow starts."""
    statements = context.prolonging()
    if statements:
        await write_all(context.services.database, statements)


@dataclass(frozen=True, slots=True)
class Interaction:
    """The flow, its return path, and the component of its first challenge, if known."""

    flow: Flow
    back: str
    component: str = ""

    @property
    def asks_consent(self) -> bool:
        """Whether the flow waits for consent."""
        return self.component == ConsentStage.COMPONENT

    def redirect(self, request: Request, *, display: str = "") -> Response:
        """Return the redirect to the flow's page. `display` is the requested page type."""
        return redirect(page_address(request.prefix, self.flow.slug, self.back, display=display))
