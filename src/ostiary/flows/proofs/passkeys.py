"""Passwordless sign-in with passkeys: before the user is identified, and with the requirements of a stage."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from ostiary.directory.authenticators.device import Attempt, Device, DeviceChallenge
from ostiary.directory.errors import ProofRefused
from ostiary.events.event import event
from ostiary.flows.proofs.password_check import INBUILT
from ostiary.flows.proofs.used_devices import with_device
from ostiary.proto.webauthn import load_verifier
from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.directory.user import User
    from ostiary.flows.interface.stage_context import StageContext
    from ostiary.store.database import Statement

CLASS: Final = "webauthn"
METHOD: Final = "auth_webauthn_pwl"
"""The authentication method of a sign-in by a passkey alone."""
WRONG: Final = "This passkey was not accepted. Try again, or use another way."
_DEVICE_TYPE: Final = "authentik_stages_authenticator_webauthn.webauthndevicetype"


class PasskeyRules(Protocol):
    """The settings of a validation stage."""

    @property
    def webauthn_user_verification(self) -> str:
        """Whether the device must verify the user."""
        ...

    @property
    def webauthn_allowed_device_types(self) -> Collection[str]:
        """The accepted models; empty for all."""
        ...


@dataclass(frozen=True, slots=True)
class ProvenPasskey:
    """The passkey was valid. `context` goes into the plan."""

    user: User
    device: Device
    context: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class FailedPasskey:
    """The passkey was not valid. `message` is for the user; `writes` have the event."""

    message: str
    code: str
    writes: tuple[Statement, ...] = ()


def demands(
    stage_context: StageContext, rules: PasskeyRules, *, alone: bool = False
) -> Mapping[str, Mapping[str, object]]:
    """Return the requirements of a stage. Passwordless sign-in requires user verification."""
    # guard: A35 a passkey that signs in alone verifies the person
    verification = "required" if alone else rules.webauthn_user_verification
    demanded: dict[str, object] = {"user_verification": verification, "hosts": stage_context.services.hosts()}
    if rules.webauthn_allowed_device_types:
        demanded["aaguids"] = aaguids(stage_context, rules.webauthn_allowed_device_types)
    return {CLASS: demanded}


def aaguids(stage_context: StageContext, device_types: Collection[str]) -> frozenset[str]:
    """Return the AAGUIDs of these models."""
    found = (stage_context.snapshot.resolve(_DEVICE_TYPE, pk) for pk in device_types)
    return frozenset(str(getattr(one, "aaguid", "")) for one in found if one is not None)


async def asked_of_anybody(stage_context: StageContext, rules: PasskeyRules) -> DeviceChallenge | None:
    """Return the challenge for any passkey of this site; None if passkeys cannot be used."""
    kind = stage_context.services.devices.kinds.get(CLASS)
    if kind is None:
        return None
    challenge = await kind.challenge((), _attempt(stage_context, rules, {}))
    return challenge if challenge.state else None


async def prove_passkey(
    stage_context: StageContext, rules: PasskeyRules, response: object
) -> ProvenPasskey | FailedPasskey:
    """Verify the response to `asked_of_anybody`. An unknown key and a wrong signature have the same message."""
    services = stage_context.services
    attempt = _attempt(stage_context, rules, {CLASS: response})
    device = await services.devices.owned_by(CLASS, attempt)
    user = None if device is None else await stage_context.person(device.user)
    if device is None or user is None or not user.is_active:
        return _failed(stage_context, user)
    try:
        proven = await services.devices.verify_with([device], attempt)
    except ProofRefused as refusal:
        writes = (*_failed(stage_context, user).writes, *suspected(stage_context, user, refusal))
        return FailedPasskey(str(refusal), refusal.code, writes)
    if proven is None:
        return _failed(stage_context, user)
    used = with_device(stage_context, name=device.name, model=device.model, pk=device.pk)
    context = {
        **used,
        "pending_user": {"pk": user.pk, "username": user.username},
        "user_backend": INBUILT,
        "auth_method": METHOD,
    }
    return ProvenPasskey(user, device, context)


async def verifier_is_loaded() -> None:
    """Load the verification of passkeys, if it is not, while other requests go on."""
    await asyncio.to_thread(load_verifier)


def suspected(stage_context: StageContext, user: User, refusal: ProofRefused) -> tuple[Statement, ...]:
    """Return the event of a failure that an administrator should see."""
    if not refusal.suspicion:
        return ()
    return (
        event(
            "suspicious_request",
            user=user.who,
            app="authentik_stages_authenticator_webauthn",
            context={"message": refusal.suspicion, "username": user.username},
            client_ip=stage_context.client,
            now=stage_context.now,
        ),
    )


def read_json(text: object) -> object:
    """Return the JSON of a form field, None if it is invalid."""
    try:
        return json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None


def _attempt(stage_context: StageContext, rules: PasskeyRules, answer: Mapping[str, object]) -> Attempt:
    return Attempt(
        answer,
        stage_context.now,
        states=stage_context.scratch,
        request=stage_context.request,
        demands=demands(stage_context, rules, alone=True),
    )


def _failed(stage_context: StageContext, user: User | None) -> FailedPasskey:
    name = None if user is None else user.username
    stage_context.services.sign_ins.failed(user=name, address=stage_context.client, reason="passkey")
    lowered = stage_context.services.reputation.failed(name, stage_context.client, now=stage_context.now)
    return FailedPasskey(WRONG, "invalid", tuple(lowered))
