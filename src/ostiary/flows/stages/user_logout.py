"""The user logout stage: ends the session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ostiary.flows.challenge_page import ChallengePage
from ostiary.flows.interface.stage_context import Done, StageContext, Verdict
from ostiary.flows.logout.session_end import SESSION_END_PAGE, session_end
from ostiary.flows.plans.logout import END
from ostiary.flows.resources import STAGE, Stage
from ostiary.resource import kind
from ostiary.web.csrf import is_cross_site


@kind(
    "authentik_stages_user_logout.userlogoutstage",
    verbose_name="User Logout Stage",
    component="ak-stage-user-logout-form",
    routes="stages/user_logout",
    families=(STAGE,),
)
class UserLogoutStage(Stage):
    """Ends the session of the signed-in user."""

    COMPONENT: ClassVar[str] = "ak-stage-session-end"
    PAGE: ClassVar[ChallengePage] = SESSION_END_PAGE
    OWN_REQUEST: ClassVar[bool] = True
    GUARD: ClassVar[bool] = True

    async def open(self, stage_context: StageContext) -> Verdict:
        """End the session. After a cross-site request, ask for confirmation first.

        No confirmation is needed after a verified request of an application, nor from a headless client.
        """
        wanted = stage_context.context.get(END)
        if stage_context.session.user is None or wanted is False:
            return Done()
        # guard: A40 another site cannot sign a user out
        if wanted is True or not is_cross_site(stage_context.request):
            return Done(sign_out=True)
        return await session_end(stage_context, confirm=True)

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Take the confirmation. A response without one is authentik's, and has the effect of `open`."""
        if "sign_out" not in answer:
            return await self.open(stage_context)
        wanted = answer["sign_out"] in {True, "true"}
        return Done(context={END: wanted}, sign_out=wanted and stage_context.session.user is not None)
