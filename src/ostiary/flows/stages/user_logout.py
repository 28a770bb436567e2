"""The user logout stage: ends the session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ostiary.flows.resources import STAGE, Stage
from ostiary.flows.visit import Done, Verdict, Visit
from ostiary.resource import kind


@kind(
    "authentik_stages_user_logout.userlogoutstage",
    verbose_name="User Logout Stage",
    component="ak-stage-user-logout-form",
    routes="stages/user_logout",
    families=(STAGE,),
)
class UserLogoutStage(Stage):
    """Ends the session of whoever is signed in."""

    COMPONENT: ClassVar[str] = "ak-stage-session-end"
    GUARD: ClassVar[bool] = True

    async def open(self, visit: Visit) -> Verdict:
        """End the session, if it is anybody's."""
        return Done(sign_out=visit.session.user is not None)

    async def answer(self, visit: Visit, answer: Mapping[str, object]) -> Verdict:
        """Nothing is asked: the same."""
        del answer
        return await self.open(visit)
