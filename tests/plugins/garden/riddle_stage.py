"""A stage of another package: lets pass whoever knows the word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from ostiary.flows.challenge_page import ChallengePage, PageContext
from ostiary.flows.interface.stage_context import Ask, Done, StageContext, Verdict, text_of, wrong
from ostiary.flows.resources import STAGE, Stage
from ostiary.resource import Help, Length, kind


def page_values(page: PageContext) -> Mapping[str, object]:
    """Return how long the riddle is."""
    return {"letters": len(str(page.fields["riddle"]))}


@kind(
    "garden.riddlestage",
    verbose_name="Riddle Stage",
    component="ak-stage-riddle-form",
    routes="stages/riddle",
    families=(STAGE,),
)
class RiddleStage(Stage):
    """Asks a riddle."""

    COMPONENT: ClassVar[str] = "ak-stage-riddle"
    PAGE: ClassVar[ChallengePage] = ChallengePage(template="riddle.html", values=page_values)

    riddle: Annotated[str, Length(least=1)]
    word: Annotated[str, Length(least=1), Help("What opens the gate.")]

    async def open(self, stage_context: StageContext) -> Verdict:
        """Ask."""
        del stage_context
        return Ask({"riddle": self.riddle})

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Judge the word."""
        del stage_context
        return Done() if text_of(answer, "word") == self.word else wrong("word", "That is not it.")
