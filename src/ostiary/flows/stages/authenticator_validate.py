"""The authenticator validation stage: a second proof, by one of the person's devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal

from ostiary.directory.errors import Throttled
from ostiary.events.event import event
from ostiary.events.signin_log import log_failed_sign_in
from ostiary.flows.enrolled import with_device
from ostiary.flows.people.pending_user import pending_user
from ostiary.flows.proofs.mfa_cookie import remember, remembered
from ostiary.flows.resources import STAGE, Stage
from ostiary.flows.run.stage_context import Ask, Done, Refused, StageContext, Verdict, Wrong, text_of, wrong
from ostiary.proto.duration import parse_duration
from ostiary.resource import DURATION, Help, OnDelete, Reference, kind
from ostiary.resource.timestamp import format_timestamp

if TYPE_CHECKING:
    from ostiary.directory.devices import Device
    from ostiary.directory.user import User
    from ostiary.store.database import Statement

_CODE_MOST: Final = 128  # characters

DeviceClass = Literal["static", "totp", "webauthn", "duo", "sms", "email"]
_WEBAUTHN_TYPES = "authentik_stages_authenticator_webauthn.webauthndevicetype"


@kind(
    "authentik_stages_authenticator_validate.authenticatorvalidatestage",
    verbose_name="Authenticator Validation Stage",
    component="ak-stage-authenticator-validate-form",
    routes="stages/authenticator/validate",
    families=(STAGE,),
)
class AuthenticatorValidateStage(Stage):
    """Asks for a code of a device of an allowed class; without any device, does what `not_configured_action` says."""

    COMPONENT: ClassVar[str] = "ak-stage-authenticator-validate"
    GUARD: ClassVar[bool] = True

    not_configured_action: Literal["skip", "deny", "configure"] = "skip"
    device_classes: tuple[DeviceClass, ...] = ("static", "totp", "webauthn", "duo", "sms", "email")
    configuration_stages: Annotated[tuple[str, ...], Reference(STAGE, OnDelete.SET_NULL)] = ()
    last_auth_threshold: Annotated[str, DURATION, Help("How long a proof holds on the same browser.")] = "seconds=0"
    webauthn_user_verification: Literal["required", "preferred", "discouraged"] = "preferred"
    webauthn_allowed_device_types: Annotated[tuple[str, ...], Reference(_WEBAUTHN_TYPES, OnDelete.SET_NULL)] = ()

    async def open(self, stage_context: StageContext) -> Verdict:
        """Ask for a code, or do what is configured for people without a device."""
        user = await pending_user(stage_context)
        if user is None:
            return Refused("There is nobody whose device could be asked for.")
        if stage_context.context.get("mfa_waived") is True:
            return Done()
        devices = await self._devices(stage_context, user)
        if not devices:
            return self._not_configured(stage_context, user)
        threshold = parse_duration(self.last_auth_threshold)
        if threshold > 0 and remembered(stage_context, user, devices, threshold=threshold):
            return Done()
        return Ask({"device_challenges": _challenges(devices), "configuration_stages": []})

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Take a code of a device; or, from somebody without one, the choice of what to set up."""
        user = await pending_user(stage_context)
        if user is None:
            return Refused("There is nobody whose device could be asked for.")
        devices = await self._devices(stage_context, user)
        if not devices:
            return self._selected(stage_context, text_of(answer, "selected_stage"), await self.open(stage_context))
        code = text_of(answer, "code").replace(" ", "").strip()
        if not code or len(code) > _CODE_MOST:
            return wrong("code", "Enter the code of your device.", "required")
        try:
            device = await stage_context.services.devices.verify(
                user.pk, code, now=stage_context.now, classes=self.device_classes
            )
        except Throttled:  # a challenge all the same: programs at the executor expect one
            log_failed_sign_in(user=user.username, address=stage_context.client, reason="throttled")
            return wrong("code", "Too many wrong codes. Please wait a little.", "throttled")
        if device is None:
            log_failed_sign_in(user=user.username, address=stage_context.client, reason="mfa")
            verdict = wrong("code", "This code is not right, or was used before.")
            return Wrong(verdict.errors, writes=(_failed(stage_context, user),))
        threshold = parse_duration(self.last_auth_threshold)
        if threshold > 0:
            remember(stage_context, user, device, threshold=threshold)
        return Done(context=with_device(stage_context, name=device.name, model=device.model, pk=device.pk), proof=user)

    async def _devices(self, stage_context: StageContext, user: User) -> list[Device]:
        return await stage_context.services.devices.confirmed(user.pk, self.device_classes)

    def _not_configured(self, stage_context: StageContext, user: User) -> Verdict:
        if self.not_configured_action == "skip":
            return Done()
        if self.not_configured_action == "deny":
            return Refused("You need an authenticator to sign in. Ask whoever runs this service.")
        stages = self._configurable(stage_context)
        if not stages:
            message = "You need an authenticator to sign in, and none can be set up here."
            return Refused(message, (_misconfigured(stage_context, user, self.name),))
        if len(stages) == 1:
            return Done(insert=(str(stages[0].pk),))
        return Ask({"device_challenges": [], "configuration_stages": [_selectable(stage) for stage in stages]})

    def _selected(self, stage_context: StageContext, selected: str, opened: Verdict) -> Verdict:
        """Put in the stage that was chosen, if a choice is what was asked for."""
        if not isinstance(opened, Ask):
            return opened
        if all(selected != str(stage.pk) for stage in self._configurable(stage_context)):
            return wrong("selected_stage", "Choose what to set up.", "required")
        return Done(insert=(selected,))

    def _configurable(self, stage_context: StageContext) -> list[Stage]:
        found = (stage_context.snapshot.resolve(STAGE, pk) for pk in self.configuration_stages)
        return [stage for stage in found if isinstance(stage, Stage)]


def _challenges(devices: list[Device]) -> list[dict[str, object]]:
    """Return one entry for each class: whichever device of the class is at hand will do."""
    first: dict[str, Device] = {}
    for device in devices:
        first.setdefault(device.device_class, device)
    return [
        {
            "device_class": device.device_class,
            "device_uid": device.uid,
            "challenge": {},
            "last_used": None if device.last_used is None else format_timestamp(device.last_used),
        }
        for device in first.values()
    ]


def _selectable(stage: Stage) -> dict[str, object]:
    """Return what can be set up, in the words of authentik: the name of the device, and of its kind."""
    return {
        "pk": str(stage.pk),
        "name": getattr(stage, "friendly_name", "") or stage.name,
        "verbose_name": stage.KIND.verbose_name.removesuffix("Setup Stage").strip(),
        "meta_model_name": stage.KIND.name,
    }


def _failed(stage_context: StageContext, user: User) -> Statement:
    return event(
        "login_failed",
        user=user.who,
        app="authentik.events.signals",
        context={"username": user.username, "stage": "authenticator_validate"},
        client_ip=stage_context.client,
        now=stage_context.now,
    )


def _misconfigured(stage_context: StageContext, user: User, stage: str) -> Statement:
    return event(
        "configuration_error",
        user=user.who,
        app="authentik_stages_authenticator_validate",
        context={"message": "not_configured_action is configure, but there is no configuration stage", "stage": stage},
        client_ip=stage_context.client,
        now=stage_context.now,
    )
