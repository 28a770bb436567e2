"""The factory of dispatchers: one for each request, with the services and the internal stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.flows import wizard
from ostiary.flows.logout import stages as logout_stages
from ostiary.flows.run.dispatcher import Dispatcher
from ostiary.flows.run.run_state import OwnStages
from ostiary.flows.stages import password, resume

if TYPE_CHECKING:
    from ostiary.flows.plans.pending_commit import PendingCommit
    from ostiary.flows.plans.plan import Plan
    from ostiary.flows.resources import Flow
    from ostiary.flows.services import Services
    from ostiary.sessions.session import Session
    from ostiary.web.request import Request


class DispatcherFactory:
    """Creates the dispatcher of a request. The engine and the handover share it."""

    def __init__(self, services: Services) -> None:
        self.services = services
        own = {**password.INTERNAL_STAGES, **resume.INTERNAL_STAGES, **logout_stages.STAGES, **services.internal_stages}
        self._extensions = OwnStages(own, {wizard.SLUG: wizard.FirstRun()})

    def dispatcher(
        self,
        request: Request,
        session: Session,
        flow: Flow,
        *,
        query: str = "",
        plan: Plan | None = None,
        pending: PendingCommit | None = None,
        now: int,
    ) -> Dispatcher:
        """Return the dispatcher of one request. `query` is that of the page; `plan` is a new plan to start."""
        return Dispatcher(
            self.services,
            self._extensions,
            request=request,
            session=session,
            flow=flow,
            query=query,
            now=now,
            plan=plan,
            pending=pending,
        )
