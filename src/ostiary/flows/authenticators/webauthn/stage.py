"""The WebAuthn set-up stage: a new passkey, created by the browser and verified here."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal

from ostiary.brands.select import select
from ostiary.directory.authenticators.device import Attempt
from ostiary.flows.authenticators.webauthn.authenticator import NOT_VERIFIED, WebAuthnAuthenticator, new_challenge
from ostiary.flows.authenticators.webauthn.device_type import WebAuthnDeviceType
from ostiary.flows.challenge_page import ChallengePage, PageContext
from ostiary.flows.enrolment import SetupStage
from ostiary.flows.interface.stage_context import Ask, Refused, StageContext, Verdict, Wrong, text_of, wrong
from ostiary.flows.people.subject_cache import subject_of
from ostiary.flows.proofs.passkeys import CLASS, aaguids, read_json, verifier_is_loaded
from ostiary.flows.proofs.relying_party import NO_PASSKEYS, party_of
from ostiary.flows.resources import STAGE
from ostiary.proto import webauthn
from ostiary.resource import Help, OnDelete, Range, Reference, kind

if TYPE_CHECKING:
    from ostiary.directory.user import User
    from ostiary.proto.webauthn import Credential, Registered

FAILED: Final = "This passkey could not be set up. Try again."
KNOWN: Final = "This passkey is set up already."
NOT_HERE: Final = "Passkeys of this model cannot be set up here. Ask whoever runs this service."
TOO_OFTEN: Final = "This failed too often. Start again."
MAX_NAME_LENGTH: Final = 100  # characters
_UNNAMED: Final = "Passkey"
log: Final = logging.getLogger("ostiary.flows")


def _page_values(page: PageContext) -> Mapping[str, object]:
    return {"labels": {"name": page.translate("Name")}}


def _read_form(form: Mapping[str, object]) -> Mapping[str, object]:
    return {**form, "response": read_json(form.get("response"))}


@kind(
    "authentik_stages_authenticator_webauthn.authenticatorwebauthnstage",
    verbose_name="WebAuthn Authenticator Setup Stage",
    component="ak-stage-authenticator-webauthn-form",
    routes="stages/authenticator/webauthn",
    families=(STAGE,),
)
class AuthenticatorWebAuthnStage(SetupStage):
    """Lets the browser create a passkey, and stores its public key."""

    COMPONENT: ClassVar[str] = "ak-stage-authenticator-webauthn"
    PAGE: ClassVar[ChallengePage] = ChallengePage(
        template="stages/authenticator_webauthn.html",
        values=_page_values,
        read=_read_form,
        refilled=lambda _fields: ("name",),
    )

    AUTHENTICATOR = WebAuthnAuthenticator

    user_verification: Literal["required", "preferred", "discouraged"] = "preferred"
    authenticator_attachment: Literal["platform", "cross-platform"] | None = None
    resident_key_requirement: Literal["discouraged", "preferred", "required"] = "preferred"
    device_type_restrictions: Annotated[
        tuple[str, ...],
        Reference(WebAuthnDeviceType.KIND.name, OnDelete.PROTECT),
        Help("The models that may be set up; none: all."),
    ] = ()
    max_attempts: Annotated[int, Range(0, 2**31 - 1), Help("Failures that end the flow; 0: any number.")] = 0

    async def open(self, stage_context: StageContext) -> Verdict:
        """Ask the browser for a new passkey, with the same challenge until the response."""
        owner = await self.owner(stage_context)
        if isinstance(owner, Refused):
            return owner
        party = party_of(stage_context.request, stage_context.services.hosts())
        if party is None:
            return Refused(NO_PASSKEYS)
        drawn = stage_context.scratch.get("challenge")
        challenge = drawn if isinstance(drawn, str) else new_challenge()
        registration = webauthn.creation_options(
            rp_id=party.rp_id,
            rp_name=select(stage_context.snapshot, stage_context.request.host).branding_title,
            user={
                "id": webauthn.as_text((await _handle(stage_context, owner)).encode()),
                "name": owner.username,
                "displayName": owner.name or owner.username,
            },
            challenge=challenge,
            exclude=await _known(stage_context, owner),
            attachment=self.authenticator_attachment,
            resident_key=self.resident_key_requirement,
            user_verification=self.user_verification,
        )
        return Ask({"registration": registration}, scratch={**stage_context.scratch, "challenge": challenge})

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Store the passkey if the response is valid, and meets the requirements of the stage."""
        owner = await self.owner(stage_context, fresh=False)
        if isinstance(owner, Refused):
            return owner
        party = party_of(stage_context.request, stage_context.services.hosts())
        challenge, response = stage_context.scratch.get("challenge"), answer.get("response")
        if party is None or not isinstance(challenge, str) or not isinstance(response, Mapping):
            return self._failed(stage_context, FAILED)
        await verifier_is_loaded()
        try:
            registered = webauthn.verify_registration(response, challenge=challenge, party=party)
        except webauthn.InvalidResponse as error:
            log.info("flow %s: a passkey was not set up: %s", stage_context.flow.slug, error)
            return self._failed(stage_context, FAILED)
        refusal = await self._refusal(stage_context, registered)
        if refusal is not None:
            return self._failed(stage_context, refusal)
        typed = text_of(answer, "name").strip()[:MAX_NAME_LENGTH]
        name = typed or await self._name(stage_context, owner, registered)
        device = self.authenticator(stage_context, WebAuthnAuthenticator).add(
            registered,
            user=owner.pk,
            name=name,
            rp_id=party.rp_id,
            user_handle=await _handle(stage_context, owner),
            now=stage_context.now,
        )
        return self.enrolled(stage_context, owner, name=name, device=(device,), used=True)

    async def _refusal(self, stage_context: StageContext, registered: Registered) -> str | None:
        """Return the reason why a valid passkey is not accepted, else None."""
        # guard: A35 a passkey without the demanded user verification is not set up
        if not registered.user_verified and self.user_verification == "required":
            return NOT_VERIFIED
        # guard: A35 a passkey of another model is not set up
        if not self._is_allowed(registered.aaguid, aaguids(stage_context, self.device_type_restrictions)):
            return NOT_HERE
        named = {"id": registered.credential_id}
        known = await stage_context.services.devices.owned_by(CLASS, Attempt({CLASS: named}, stage_context.now))
        return None if known is None else KNOWN

    def _is_allowed(self, aaguid: str, allowed: Collection[str]) -> bool:
        return not self.device_type_restrictions or aaguid in allowed

    def _failed(self, stage_context: StageContext, message: str) -> Verdict:
        """Count a failure. The challenge is not used again."""
        failures = stage_context.scratch.get("failures")
        count = (failures if isinstance(failures, int) else 0) + 1
        if count >= self.max_attempts > 0:
            return Refused(TOO_OFTEN)
        return Wrong(wrong("response", message).errors, scratch={"failures": count})

    async def _name(self, stage_context: StageContext, owner: User, registered: Registered) -> str:
        """Return the name of the model, else that of the stage, with a number where the owner has one of that name."""
        model = stage_context.snapshot.find(WebAuthnDeviceType, aaguid=registered.aaguid)
        name = self.friendly_name or _UNNAMED
        if model is not None and registered.aaguid != webauthn.NO_AAGUID:
            name = model.description
        taken = {device.name for device in await stage_context.services.devices.of_user(owner.pk)}
        numbered = (f"{name} {number}" for number in range(2, len(taken) + 3))
        return next(one for one in (name, *numbered) if one not in taken)


async def _handle(stage_context: StageContext, owner: User) -> str:
    """Return the user handle, as authentik's: the public id of the user."""
    subject = await subject_of(stage_context.services.users, stage_context.request, owner.pk)
    return owner.uuid if subject is None else subject.uid


async def _known(stage_context: StageContext, owner: User) -> list[Credential]:
    devices = await stage_context.services.devices.of_user(owner.pk)
    return [
        webauthn.Credential(str(device.own["credential_id"]), tuple(str(device.own["transports"]).split()))
        for device in devices
        if device.device_class == CLASS
    ]
