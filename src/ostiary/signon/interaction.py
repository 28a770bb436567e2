"""A flow that waits for the person, and the redirect to its page."""

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
    """Write what prolongs the request for the time of a flow that is about to begin."""
    statements = context.prolonging()
    if statements:
        await write_all(context.services.database, statements)


@dataclass(frozen=True, slots=True)
class Interaction:
    """The flow, the path of ours it leads back to, and what its page shows first, when that is known."""

    flow: Flow
    back: str
    component: str = ""

    @property
    def asks_consent(self) -> bool:
        """Whether it is consent that is waited for."""
        return self.component == ConsentStage.COMPONENT

    def redirect(self, request: Request, *, display: str = "") -> Response:
        """Send the browser there; `display` is the form of page asked for."""
        return redirect(page_address(request.prefix, self.flow.slug, self.back, display=display))
