"""The set-up of a carrier pigeon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from garden.pigeon.authenticator import PigeonAuthenticator
from ostiary.flows.challenge_page import ChallengePage
from ostiary.flows.enrolment import SetupStage
from ostiary.flows.interface.stage_context import Ask, Refused, StageContext, Verdict, text_of
from ostiary.flows.resources import STAGE
from ostiary.resource import kind


@kind(
    "garden.pigeonstage",
    verbose_name="Pigeon Setup Stage",
    component="ak-stage-pigeon-form",
    routes="stages/pigeon",
    families=(STAGE,),
)
class PigeonStage(SetupStage):
    """Asks what colour the pigeon has."""

    COMPONENT: ClassVar[str] = "ak-stage-pigeon"
    PAGE: ClassVar[ChallengePage] = ChallengePage(template="pigeon_setup.html")
    AUTHENTICATOR = PigeonAuthenticator

    async def open(self, stage_context: StageContext) -> Verdict:
        """Ask the owner."""
        owner = await self.owner(stage_context)
        return owner if isinstance(owner, Refused) else Ask()

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Store the pigeon."""
        owner = await self.owner(stage_context)
        if isinstance(owner, Refused):
            return owner
        name = self.friendly_name or "Pigeon"
        pigeon = self.authenticator(stage_context, PigeonAuthenticator).add(
            user=owner.pk, name=name, colour=text_of(answer, "colour"), now=stage_context.now
        )
        return self.enrolled(stage_context, owner, name=name, device=[pigeon])
