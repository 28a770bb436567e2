"""The deny stage: whoever gets here is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from ostiary.flows.resources import STAGE, Stage
from ostiary.flows.run.stage_context import Refused, Verdict, Visit
from ostiary.resource import Help, kind


@kind(
    "authentik_stages_deny.denystage",
    verbose_name="Deny Stage",
    component="ak-stage-deny-form",
    routes="stages/deny",
    families=(STAGE,),
)
class DenyStage(Stage):
    """Refuses, with a message."""

    COMPONENT: ClassVar[str] = "ak-stage-access-denied"
    GUARD: ClassVar[bool] = True

    deny_message: Annotated[str, Help("Shown to the person who is refused.")] = ""

    async def open(self, visit: Visit) -> Verdict:
        """Refuse."""
        return Refused(visit.text("deny_message") or self.deny_message or "You are not allowed to go on.")

    async def answer(self, visit: Visit, answer: Mapping[str, object]) -> Verdict:
        """Refuse whatever comes."""
        del answer
        return await self.open(visit)
