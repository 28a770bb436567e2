"""The deny stage: it denies the flow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from ostiary.flows.interface.stage_context import Refused, StageContext, Verdict
from ostiary.flows.resources import STAGE, Stage
from ostiary.resource import Help, kind


@kind(
    "authentik_stages_deny.denystage",
    verbose_name="Deny Stage",
    component="ak-stage-deny-form",
    routes="stages/deny",
    families=(STAGE,),
)
class DenyStage(Stage):
    """Denies the flow, with a message."""

    COMPONENT: ClassVar[str] = "ak-stage-access-denied"
    GUARD: ClassVar[bool] = True

    deny_message: Annotated[str, Help("Shown to the person who is refused.")] = ""

    async def open(self, stage_context: StageContext) -> Verdict:
        """Deny."""
        return Refused(stage_context.text("deny_message") or self.deny_message or "You are not allowed to go on.")

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Deny."""
        del answer
        return await self.open(stage_context)
