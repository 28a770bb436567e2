"""The TOTP set-up stage: a new authenticator app, confirmed by its first code (RFC 6238)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal

from ostiary.brands.select import select
from ostiary.directory.users import renew_proof
from ostiary.flows.enrolled import STALE, device_added, is_fresh, with_device
from ostiary.flows.errors import PlanChanged
from ostiary.flows.people.pending_user import pending_user
from ostiary.flows.resources import STAGE, ConfigurableStage
from ostiary.flows.run.stage_context import Ask, Done, Refused, StageContext, Verdict, text_of, wrong
from ostiary.proto import totp
from ostiary.resource import Help, kind
from ostiary.seal import Secret

_APP: Final = "authentik_stages_authenticator_totp"


@kind(
    "authentik_stages_authenticator_totp.authenticatortotpstage",
    verbose_name="TOTP Authenticator Setup Stage",
    component="ak-stage-authenticator-totp-form",
    routes="stages/authenticator/totp",
    families=(STAGE,),
)
class AuthenticatorTOTPStage(ConfigurableStage):
    """Shows a new secret and takes it into use when the first code is right."""

    COMPONENT: ClassVar[str] = "ak-stage-authenticator-totp"

    friendly_name: Annotated[str, Help("Name of the device, shown to its owner.")] = ""
    digits: Literal[6, 8]

    async def open(self, stage_context: StageContext) -> Verdict:
        """Show a new secret, the same one until it is confirmed."""
        user = await pending_user(stage_context)
        if user is None:
            return Refused("There is nobody to set this up for.")
        if not is_fresh(stage_context):
            return Refused(STALE)
        kept = stage_context.scratch.get("key")
        key = kept if isinstance(kept, str) else stage_context.services.devices.new_totp_key().reveal()
        issuer = select(stage_context.snapshot, stage_context.request.host).branding_title
        url = totp.config_url(bytes.fromhex(key), account=user.username, issuer=issuer, digits=self.digits)
        return Ask({"config_url": url}, scratch={"key": key})

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Take the secret into use when a code proves that the app has it."""
        user, key = await pending_user(stage_context), stage_context.scratch.get("key")
        if user is None or not isinstance(key, str):
            return Refused("There is nobody to set this up for.")
        counter = totp.match(bytes.fromhex(key), text_of(answer, "code"), now=stage_context.now, digits=self.digits)
        if counter is None:
            return wrong("code", "This code is not right. Check the clock of your device.")
        name = self.friendly_name or "TOTP Device"
        device = stage_context.services.devices.add_totp(
            user=user.pk, name=name, key=Secret(key), now=stage_context.now, digits=self.digits, used=counter
        )
        renewed, others_end = renew_proof(user, error=PlanChanged)
        return Done(
            context=with_device(
                stage_context, name=name, model="authentik_stages_authenticator_totp.totpdevice", enrolled=True
            ),
            writes=(
                others_end,
                device,
                device_added(stage_context, user, name=name, model_name="totpdevice", app=_APP),
            ),
            proof=renewed,
        )
