"""The TOTP set-up stage: a new authenticator app, confirmed by its first code (RFC 6238)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from ostiary.brands.select import select
from ostiary.flows.authenticators.totp.authenticator import TotpAuthenticator
from ostiary.flows.authenticators.totp.qr import grouped, qr_svg, secret_of
from ostiary.flows.challenge_page import ChallengePage, PageContext
from ostiary.flows.enrolment import NOBODY, SetupStage
from ostiary.flows.interface.stage_context import Ask, Refused, StageContext, Verdict, text_of, wrong
from ostiary.flows.resources import STAGE
from ostiary.proto import totp
from ostiary.resource import kind
from ostiary.seal import Secret


def _page_values(page: PageContext) -> Mapping[str, object]:
    address = str(page.fields.get("config_url") or "")
    secret = secret_of(address)
    return {
        "qr": qr_svg(address, page.translate("QR code for your authenticator app")),
        "secret": grouped(secret),
        "secret_plain": secret,
    }


@kind(
    "authentik_stages_authenticator_totp.authenticatortotpstage",
    verbose_name="TOTP Authenticator Setup Stage",
    component="ak-stage-authenticator-totp-form",
    routes="stages/authenticator/totp",
    families=(STAGE,),
)
class AuthenticatorTOTPStage(SetupStage):
    """Shows a new secret, and stores it when the first code is right."""

    COMPONENT: ClassVar[str] = "ak-stage-authenticator-totp"
    PAGE: ClassVar[ChallengePage] = ChallengePage(template="stages/authenticator_totp.html", values=_page_values)

    AUTHENTICATOR = TotpAuthenticator

    digits: Literal[6, 8]

    async def open(self, stage_context: StageContext) -> Verdict:
        """Show a new secret, the same one until it is confirmed."""
        owner = await self.owner(stage_context)
        if isinstance(owner, Refused):
            return owner
        shown = stage_context.scratch.get("key")
        key = (
            shown if isinstance(shown, str) else self.authenticator(stage_context, TotpAuthenticator).new_key().reveal()
        )
        issuer = select(stage_context.snapshot, stage_context.request.host).branding_title
        url = totp.config_url(bytes.fromhex(key), account=owner.username, issuer=issuer, digits=self.digits)
        return Ask({"config_url": url}, scratch={"key": key})

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Store the secret when a code proves that the app has it."""
        owner, key = await self.owner(stage_context, fresh=False), stage_context.scratch.get("key")
        if isinstance(owner, Refused) or not isinstance(key, str):
            return Refused(NOBODY)
        counter = totp.match(bytes.fromhex(key), text_of(answer, "code"), now=stage_context.now, digits=self.digits)
        if counter is None:
            return wrong("code", "This code is not right. Check the clock of your device.")
        name = self.friendly_name or "TOTP Device"
        device = self.authenticator(stage_context, TotpAuthenticator).add(
            user=owner.pk, name=name, key=Secret(key), now=stage_context.now, digits=self.digits, used=counter
        )
        return self.enrolled(stage_context, owner, name=name, device=(device,), used=True)
