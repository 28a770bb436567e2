"""The static codes set-up stage: recovery codes, shown once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final

from ostiary.directory.devices import new_static_code
from ostiary.directory.users import renew_proof
from ostiary.flows.enrolled import STALE, device_added, is_fresh
from ostiary.flows.errors import PlanChanged
from ostiary.flows.people.pending_user import pending_user
from ostiary.flows.resources import STAGE, ConfigurableStage
from ostiary.flows.run.stage_context import Ask, Done, Refused, StageContext, Verdict
from ostiary.resource import Help, Range, kind
from ostiary.seal import Secret

_APP: Final = "authentik_stages_authenticator_static"


@kind(
    "authentik_stages_authenticator_static.authenticatorstaticstage",
    verbose_name="Static Authenticator Setup Stage",
    component="ak-stage-authenticator-static-form",
    routes="stages/authenticator/static",
    families=(STAGE,),
)
class AuthenticatorStaticStage(ConfigurableStage):
    """Makes codes of which each signs in once."""

    COMPONENT: ClassVar[str] = "ak-stage-authenticator-static"

    friendly_name: Annotated[str, Help("Name of the device, shown to its owner.")] = ""
    token_count: Annotated[int, Range(1, 100)] = 6
    token_length: Annotated[int, Range(8, 100)] = 12

    async def open(self, stage_context: StageContext) -> Verdict:
        """Show new codes, the same ones until they are confirmed."""
        user = await pending_user(stage_context)
        if user is None:
            return Refused("There is nobody to set this up for.")
        if not is_fresh(stage_context):
            return Refused(STALE)
        kept = stage_context.scratch.get("codes")
        codes = kept if isinstance(kept, list) else self._new_codes()
        return Ask({"codes": codes}, scratch={"codes": codes})

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Take the codes into use. They are kept as hashes: nobody sees them again."""
        del answer
        user, codes = await pending_user(stage_context), stage_context.scratch.get("codes")
        if user is None or not isinstance(codes, list):
            return Refused("There is nobody to set this up for.")
        name = self.friendly_name or "Static Token"
        secrets = [Secret(str(code)) for code in codes]
        device = stage_context.services.devices.add_static(
            user=user.pk, name=name, codes=secrets, now=stage_context.now
        )
        renewed, others_end = renew_proof(user, error=PlanChanged)
        added = device_added(stage_context, user, name=name, model_name="staticdevice", app=_APP)
        return Done(writes=(others_end, *device, added), proof=renewed)

    def _new_codes(self) -> list[str]:
        return [new_static_code(self.token_length).reveal() for _ in range(self.token_count)]
