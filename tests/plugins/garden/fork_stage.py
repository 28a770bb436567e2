"""A stage of another package: the way parts, and who answers goes on in another flow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from ostiary.flows.challenge_page import ChallengePage
from ostiary.flows.interface.stage_context import Ask, Done, StageContext, Switch, Verdict, text_of
from ostiary.flows.resources import STAGE, Stage
from ostiary.resource import OnDelete, Reference, kind


@kind(
    "garden.forkstage",
    verbose_name="Fork Stage",
    component="ak-stage-fork-form",
    routes="stages/fork",
    families=(STAGE,),
)
class ForkStage(Stage):
    """Asks whether to go left, into another flow, or straight on."""

    COMPONENT: ClassVar[str] = "ak-stage-fork"
    PAGE: ClassVar[ChallengePage] = ChallengePage(template="fork.html")

    left: Annotated[str, Reference("authentik_flows.flow", OnDelete.CASCADE)]

    async def open(self, stage_context: StageContext) -> Verdict:
        """Ask."""
        del stage_context
        return Ask(person=False)

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Go."""
        del stage_context
        return Switch(self.left) if text_of(answer, "way") == "left" else Done()
