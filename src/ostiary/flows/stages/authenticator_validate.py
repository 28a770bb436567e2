"""The authenticator validation stage: a second factor, by one of the user's devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal

from ostiary.directory.authenticators.device import Attempt
from ostiary.directory.errors import ProofRefused, Throttled
from ostiary.events.event import event
from ostiary.events.refusals import Refusal
from ostiary.flows.challenge_page import ChallengePage
from ostiary.flows.enrolment import SetupStage
from ostiary.flows.interface.pending_user import pending_user
from ostiary.flows.interface.stage_context import Ask, Done, Refused, StageContext, Verdict, Wrong, text_of, wrong
from ostiary.flows.proofs.mfa_cookie import remember, remembered
from ostiary.flows.proofs.mfa_page import KINDS, PAGE, SET_UP
from ostiary.flows.proofs.passkeys import CLASS, ProvenPasskey, asked_of_anybody, demands, prove_passkey, suspected
from ostiary.flows.proofs.passkeys import WRONG as WRONG_PASSKEY
from ostiary.flows.proofs.used_devices import with_device
from ostiary.flows.resources import STAGE, Stage
from ostiary.proto.duration import parse_duration
from ostiary.resource import DURATION, Choices, Help, OnDelete, Pattern, Reference, kind
from ostiary.resource.timestamp import format_timestamp

if TYPE_CHECKING:
    from ostiary.directory.authenticators.authenticator import Authenticator
    from ostiary.directory.authenticators.device import Device
    from ostiary.directory.authenticators.devices import Devices
    from ostiary.directory.user import User
    from ostiary.store.database import Statement

_CLASSES: Final = ("static", "totp", "webauthn", "duo", "sms", "email")
ANYBODY: Final = "-1"
"""authentik's `device_uid` of a passkey that says itself whose it is."""
NOBODY: Final = "There is nobody whose device could be asked for."
WRONG_CODE: Final = "This code is not right, or was used before."
_OF_ANOTHER_PACKAGE: Final = Pattern(r"[a-z0-9_]+\.[a-z0-9_]+", "that of another package, such as garden.pigeon")
_WEBAUTHN_TYPES: Final = "authentik_stages_authenticator_webauthn.webauthndevicetype"


@kind(
    "authentik_stages_authenticator_validate.authenticatorvalidatestage",
    verbose_name="Authenticator Validation Stage",
    component="ak-stage-authenticator-validate-form",
    routes="stages/authenticator/validate",
    families=(STAGE,),
)
class AuthenticatorValidateStage(Stage):
    """Asks for a code of a device of an allowed class. Without a device it applies `not_configured_action`."""

    COMPONENT: ClassVar[str] = "ak-stage-authenticator-validate"
    PAGE: ClassVar[ChallengePage] = PAGE
    GUARD: ClassVar[bool] = True

    not_configured_action: Literal["skip", "deny", "configure"] = "skip"
    device_classes: Annotated[tuple[str, ...], Choices(_CLASSES), _OF_ANOTHER_PACKAGE] = _CLASSES
    configuration_stages: Annotated[tuple[str, ...], Reference(STAGE, OnDelete.SET_NULL)] = ()
    last_auth_threshold: Annotated[str, DURATION, Help("How long a proof holds on the same browser.")] = "seconds=0"
    webauthn_user_verification: Literal["required", "preferred", "discouraged"] = "preferred"
    webauthn_allowed_device_types: Annotated[
        tuple[str, ...],
        Reference(_WEBAUTHN_TYPES, OnDelete.PROTECT),
        Help("The models of passkeys that are accepted; none: all."),
    ] = ()

    async def open(self, stage_context: StageContext) -> Verdict:
        """Ask for a code, or apply `not_configured_action` if the user has no device."""
        user = await pending_user(stage_context)
        if user is None:
            return await self._ask_anybody(stage_context)
        if stage_context.context.get("mfa_waived") is True:
            return Done()
        devices = await self._devices(stage_context, user)
        if not devices:
            return self._not_configured(stage_context, user)
        threshold = parse_duration(self.last_auth_threshold)
        if threshold > 0 and remembered(stage_context, user, devices, threshold=threshold):
            return Done()
        return await self._ask(stage_context, devices)

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Verify a code, or take the choice of a device to set up from a user without one."""
        user = await pending_user(stage_context)
        if user is None:
            return await self._prove_anybody(stage_context, answer)
        devices = await self._devices(stage_context, user)
        if not devices:
            return self._selected(stage_context, text_of(answer, "selected_stage"), await self.open(stage_context))
        attempt = self._attempt(stage_context, answer)
        kinds = stage_context.services.devices
        if not any(kinds.kind_of(one).is_proof(attempt) for one in devices):
            return await self._selected_device(stage_context, devices, attempt)
        return await self._judge(stage_context, user, devices, attempt)

    async def _judge(
        self, stage_context: StageContext, user: User, devices: list[Device], attempt: Attempt
    ) -> Done | Wrong:
        """Return the verdict about a proof."""
        kinds = stage_context.services.devices
        try:
            device = await kinds.verify_with(devices, attempt)
        except Throttled:  # a challenge all the same: programs at the executor expect one
            stage_context.services.sign_ins.failed(user=user.username, address=stage_context.client, reason="throttled")
            verdict = wrong("code", "Too many wrong codes. Wait a little.", "throttled")
            return Wrong(verdict.errors, writes=_throttled(stage_context, user))
        except ProofRefused as refusal:
            verdict = wrong(_proof_of(kinds, devices, attempt).FIELD, str(refusal), refusal.code)
            return self._not_proven(stage_context, user, verdict, attempt, suspected(stage_context, user, refusal))
        if device is None:
            kind = _proof_of(kinds, devices, attempt)
            verdict = wrong(kind.FIELD, WRONG_CODE if kind.FIELD == "code" else WRONG_PASSKEY)
            return self._not_proven(stage_context, user, verdict, attempt)
        threshold = parse_duration(self.last_auth_threshold)
        if threshold > 0:
            remember(stage_context, user, device, threshold=threshold)
        return Done(context=with_device(stage_context, name=device.name, model=device.model, pk=device.pk), proof=user)

    async def _ask(self, stage_context: StageContext, devices: list[Device]) -> Ask:
        """Ask for one device of each class. A proof of any device of the class is accepted."""
        by_class: dict[str, list[Device]] = {}
        for device in devices:
            by_class.setdefault(device.device_class, []).append(device)
        states, entries = {}, []
        for device_class, group in by_class.items():
            kind = stage_context.services.devices.kinds[device_class]
            challenge = await kind.challenge(group, self._attempt(stage_context, {}))
            if challenge.state:
                states[device_class] = challenge.state
            entries.append(_challenge(device_class, group[0].uid, challenge.public, group[0].last_used))
        return Ask(
            {"device_challenges": entries, "configuration_stages": []},
            scratch=states,
            notes={KINDS: stage_context.services.devices.kinds},
        )

    def _not_proven(
        self,
        stage_context: StageContext,
        user: User,
        verdict: Wrong,
        attempt: Attempt,
        writes: tuple[Statement, ...] = (),
    ) -> Wrong:
        """Return the verdict about a wrong proof, which uses up the challenge of its kind where that is used once."""
        stage_context.services.sign_ins.failed(user=user.username, address=stage_context.client, reason="mfa")
        # guard: A35 a challenge is not answered twice
        used = {
            name for name, one in stage_context.services.devices.kinds.items() if one.ONCE and one.is_proof(attempt)
        }
        scratch = {name: state for name, state in stage_context.scratch.items() if name not in used}
        return Wrong(verdict.errors, scratch=scratch, writes=(*_failed(stage_context, user), *writes))

    async def _ask_anybody(self, stage_context: StageContext) -> Verdict:
        """Ask for a passkey of whoever it is, where a sign-in begins with it."""
        asked = await asked_of_anybody(stage_context, self) if self._is_first(stage_context) else None
        if asked is None:
            return Refused(NOBODY)
        return Ask(
            {"device_challenges": [_challenge(CLASS, ANYBODY, asked.public)], "configuration_stages": []},
            scratch={CLASS: asked.state},
            notes={KINDS: stage_context.services.devices.kinds},
        )

    async def _prove_anybody(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        if not self._is_first(stage_context):
            return Refused(NOBODY)
        result = await prove_passkey(stage_context, self, answer.get(CLASS))
        if not isinstance(result, ProvenPasskey):
            return Wrong(wrong(CLASS, result.message, result.code).errors, scratch={}, writes=result.writes)
        threshold = parse_duration(self.last_auth_threshold)
        if threshold > 0:
            remember(stage_context, result.user, result.device, threshold=threshold)
        return Done(context=result.context, proof=result.user)

    def _is_first(self, stage_context: StageContext) -> bool:
        """Return whether a passkey may say who it is: nobody was named in this sign-in, not even somebody unknown."""
        named = "pending_user" in stage_context.context
        return not named and stage_context.flow.designation == "authentication" and CLASS in self.device_classes

    def _attempt(self, stage_context: StageContext, answer: Mapping[str, object]) -> Attempt:
        return Attempt(
            answer,
            stage_context.now,
            states=stage_context.scratch,
            request=stage_context.request,
            demands=demands(stage_context, self),
        )

    async def _selected_device(self, stage_context: StageContext, devices: list[Device], attempt: Attempt) -> Verdict:
        """Prepare the chosen device, if its kind needs it. The code follows in another response."""
        verdict = wrong("code", "Enter the code of your device.", "required")
        selected = attempt.answer.get("selected_challenge")
        named = (selected.get("device_class"), selected.get("device_uid")) if isinstance(selected, Mapping) else None
        device = next((one for one in devices if (one.device_class, one.uid) == named), None)
        if device is None:
            return verdict
        state = await stage_context.services.devices.kind_of(device).select(device, attempt)
        if state is None:
            return verdict
        return Wrong(verdict.errors, scratch={**stage_context.scratch, device.device_class: state})

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
        return Ask(
            {"device_challenges": [], "configuration_stages": [_selectable(stage) for stage in stages]},
            notes={SET_UP: {one.KIND.name: one.AUTHENTICATOR for one in stages if isinstance(one, SetupStage)}},
        )

    def _selected(self, stage_context: StageContext, selected: str, opened: Verdict) -> Verdict:
        """Insert the chosen set-up stage, if a choice was requested."""
        if not isinstance(opened, Ask):
            return opened
        if all(selected != str(stage.pk) for stage in self._configurable(stage_context)):
            return wrong("selected_stage", "Choose what to set up.", "required")
        return Done(insert=(selected,))

    def _configurable(self, stage_context: StageContext) -> list[Stage]:
        stages = (stage_context.snapshot.resolve(STAGE, pk) for pk in self.configuration_stages)
        return [stage for stage in stages if isinstance(stage, Stage)]


def _challenge(
    device_class: str, uid: str, public: Mapping[str, object], last_used: int | None = None
) -> dict[str, object]:
    """Return one entry of the challenge (DeviceChallenge)."""
    return {
        "device_class": device_class,
        "device_uid": uid,
        "challenge": dict(public),
        "last_used": None if last_used is None else format_timestamp(last_used),
    }


def _proof_of(kinds: Devices, devices: list[Device], attempt: Attempt) -> Authenticator:
    """Return the kind that the answer is a proof of."""
    return next(kind for kind in map(kinds.kind_of, devices) if kind.is_proof(attempt))


def _selectable(stage: Stage) -> dict[str, object]:
    """Return the devices that can be set up, as authentik names them: device and kind."""
    return {
        "pk": str(stage.pk),
        "name": getattr(stage, "friendly_name", "") or stage.name,
        "verbose_name": stage.KIND.verbose_name.removesuffix("Setup Stage").strip(),
        "meta_model_name": stage.KIND.name,
    }


def _failed(stage_context: StageContext, user: User) -> tuple[Statement, ...]:
    """Return the event, and the worse reputation."""
    told = event(
        "login_failed",
        user=user.who,
        app="authentik.events.signals",
        context={"username": user.username, "stage": "authenticator_validate"},
        client_ip=stage_context.client,
        now=stage_context.now,
    )
    lowered = stage_context.services.reputation.failed(user.username, stage_context.client, now=stage_context.now)
    return (told, *lowered)


def _throttled(stage_context: StageContext, user: User) -> tuple[Statement, ...]:
    """Return the event of a throttled user, unless there was one recently."""
    row = stage_context.services.refusals.note(
        Refusal(
            where=f"flow {stage_context.flow.slug}",
            error="throttled",
            reason="too many wrong codes of the second factor",
            address=stage_context.client,
            request_id=stage_context.request.request_id,
            user=user.who,
            named=True,
            logger="ostiary.flows",
        ),
        now=stage_context.now,
    )
    return () if row is None else (row,)


def _misconfigured(stage_context: StageContext, user: User, stage: str) -> Statement:
    return event(
        "configuration_error",
        user=user.who,
        app="authentik_stages_authenticator_validate",
        context={"message": "not_configured_action is configure, but there is no configuration stage", "stage": stage},
        client_ip=stage_context.client,
        now=stage_context.now,
    )
