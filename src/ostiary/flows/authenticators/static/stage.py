"""The static codes set-up stage: recovery codes, shown once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from ostiary.flows.authenticators.static.authenticator import StaticAuthenticator, new_code
from ostiary.flows.challenge_page import ChallengePage
from ostiary.flows.enrolment import NOBODY, SetupStage
from ostiary.flows.interface.stage_context import Ask, Refused, StageContext, Verdict
from ostiary.flows.resources import STAGE
from ostiary.resource import Range, kind
from ostiary.seal import Secret


@kind(
    "authentik_stages_authenticator_static.authenticatorstaticstage",
    verbose_name="Static Authenticator Setup Stage",
    component="ak-stage-authenticator-static-form",
    routes="stages/authenticator/static",
    families=(STAGE,),
)
class AuthenticatorStaticStage(SetupStage):
    """Creates recovery codes; each is valid once."""

    COMPONENT: ClassVar[str] = "ak-stage-authenticator-static"
    PAGE: ClassVar[ChallengePage] = ChallengePage(template="stages/authenticator_static.html")

    AUTHENTICATOR = StaticAuthenticator

    token_count: Annotated[int, Range(1, 100)] = 6
    token_length: Annotated[int, Range(8, 100)] = 12

    async def open(self, stage_context: StageContext) -> Verdict:
        """Show new codes, the same ones until they are confirmed."""
        owner = await self.owner(stage_context)
        if isinstance(owner, Refused):
            return owner
        shown = stage_context.scratch.get("codes")
        codes = shown if isinstance(shown, list) else self._new_codes()
        return Ask({"codes": codes}, scratch={"codes": codes})

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Store the codes, as hashes. They cannot be shown again."""
        del answer
        owner, codes = await self.owner(stage_context, fresh=False), stage_context.scratch.get("codes")
        if isinstance(owner, Refused) or not isinstance(codes, list):
            return Refused(NOBODY)
        name = self.friendly_name or "Static Token"
        device = self.authenticator(stage_context, StaticAuthenticator).add(
            user=owner.pk, name=name, codes=[Secret(str(code)) for code in codes], now=stage_context.now
        )
        return self.enrolled(stage_context, owner, name=name, device=device)

    def _new_codes(self) -> list[str]:
        return [new_code(self.token_length).reveal() for _ in range(self.token_count)]
