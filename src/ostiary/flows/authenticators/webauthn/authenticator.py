"""A passkey or security key as a device: its public key and its assertions (WebAuthn)."""

from __future__ import annotations

import hmac
import logging
import secrets
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final, cast

from ostiary.directory.authenticators.authenticator import Authenticator, Wording
from ostiary.directory.authenticators.device import Attempt, Device, DeviceChallenge
from ostiary.directory.errors import ProofRefused
from ostiary.flows.errors import PlanChanged
from ostiary.flows.proofs.passkeys import CLASS, verifier_is_loaded
from ostiary.flows.proofs.relying_party import party_of, rp_id_for
from ostiary.proto import webauthn
from ostiary.store.database import Guard, Statement, Value
from ostiary.web.language import translatable

if TYPE_CHECKING:
    from ostiary.proto.webauthn import Asserted, Party, Registered, Requirement

CHALLENGE_BYTES: Final = 64
NOT_VERIFIED: Final = translatable(
    "Your passkey did not check that it is you. Set a PIN, a fingerprint or a face first."
)
NOT_ALLOWED: Final = translatable("Passkeys of this model are not accepted here.")
CLONED: Final = translatable("This passkey seems to be a copy, and is not accepted. Tell whoever runs this service.")
log: Final = logging.getLogger("ostiary.flows")


class WebAuthnAuthenticator(Authenticator):
    """Passkeys and security keys."""

    DEVICE_CLASS = CLASS
    MODEL = "authentik_stages_authenticator_webauthn.webauthndevice"
    TABLE = "flow_webauthn"
    COLUMNS: ClassVar = {
        "credential_id": "TEXT",
        "public_key": "TEXT",
        "sign_count": "BIGINT",
        "rp_id": "TEXT",
        "aaguid": "TEXT",
        "transports": "TEXT",
        "user_handle": "TEXT",
        "backed_up": "BIGINT",
    }
    WORDING = Wording(
        name=translatable("Passkey"),
        label=translatable("Passkey"),
        instruction=translatable("Your browser asks for your fingerprint, face or security key."),
        link=translatable("Use a passkey"),
        heading=translatable("Use your passkey"),
    )
    TEMPLATE = "parts/method_passkey.html"
    FIELD = "webauthn"
    GUESSABLE = False  # nobody guesses a signature, and nobody may lock another person's key
    ONCE = True

    def add(
        self,
        credential: Registered,
        *,
        user: int,
        name: str,
        rp_id: str,
        user_handle: str,
        now: int,
        last_used: int | None = None,
    ) -> Statement:
        """Return the statement that stores a credential. It fails with PlanChanged if the credential exists already."""
        return Statement(
            "INSERT INTO flow_webauthn (uuid, user_pk, name, confirmed, credential_id, public_key, sign_count, rp_id,"
            " aaguid, transports, user_handle, backed_up, failures, delay, locked_until, created, last_updated,"
            " last_used) VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, ?, CAST(? AS BIGINT))"
            " ON CONFLICT (credential_id) DO NOTHING",
            (
                str(uuid.uuid4()),
                user,
                name,
                credential.credential_id,
                credential.public_key,
                credential.sign_count,
                rp_id,
                credential.aaguid,
                " ".join(credential.transports),
                user_handle,
                int(credential.backed_up),
                now,
                now,
                last_used,
            ),
            guard=Guard(PlanChanged),
        )

    async def challenge(self, devices: Sequence[Device], attempt: Attempt) -> DeviceChallenge:
        """Ask for one of the devices, or without any for a passkey that the browser finds."""
        demands = attempt.demands_of(CLASS)
        party = _party(attempt)
        if party is None:
            return DeviceChallenge()
        state = attempt.state_of(CLASS)
        drawn, asked = state.get("challenge"), state.get("rp_id")
        if not isinstance(drawn, str) or not isinstance(asked, str):
            drawn, asked = new_challenge(), rp_id_for(party, devices, _hosts(demands))
        ours = [device for device in devices if device.own.get("rp_id") == asked]
        accepted = [device for device in ours if _is_allowed(device, demands)]
        public = webauthn.request_options(
            rp_id=asked,
            challenge=drawn,
            allow=[_credential(device) for device in accepted or ours],
            user_verification=_user_verification(demands),
        )
        return DeviceChallenge(public, {"challenge": drawn, "rp_id": asked})

    def is_proof(self, attempt: Attempt) -> bool:
        """Return whether the response is an assertion."""
        response = attempt.answer.get(self.FIELD)
        return isinstance(response, Mapping) and webauthn.credential_id(response) is not None

    def owned_by(self, attempt: Attempt) -> tuple[str, Value]:
        """Return the credential ID, which belongs to one user."""
        return "credential_id", webauthn.credential_id(_response(attempt)) or ""

    async def verify(self, device: Device, attempt: Attempt) -> Sequence[Statement]:
        """Verify the assertion and store its counter. Raises ProofRefused for an unmet requirement or a cloned key."""
        response, demands = _response(attempt), attempt.demands_of(CLASS)
        if webauthn.credential_id(response) != device.own["credential_id"]:
            return ()
        await verifier_is_loaded()
        asserted = self._asserted(device, attempt)
        if asserted is None:
            return ()
        # guard: A35 a proof without the demanded user verification is refused
        if not asserted.user_verified and _user_verification(demands) == "required":
            raise ProofRefused(NOT_VERIFIED, code="user_verification")
        # guard: A35 a device of another model is refused
        if not _is_allowed(device, demands):
            raise ProofRefused(NOT_ALLOWED, code="device_type")
        stored, count = cast("int", device.own["sign_count"]), asserted.sign_count
        # guard: A35 a counter that goes back is refused
        if count <= stored and (count or stored):
            raise ProofRefused(CLONED, code="sign_count", suspicion=_went_back(device, stored, count))
        return (
            Statement(
                "UPDATE flow_webauthn SET sign_count = ?, backed_up = ?, last_used = ?"
                " WHERE pk = ? AND (sign_count < ? OR (sign_count = 0 AND CAST(? AS BIGINT) = 0))",
                (count, int(asserted.backed_up), attempt.now, device.pk, count, count),
            ),
        )

    def _asserted(self, device: Device, attempt: Attempt) -> Asserted | None:
        """Return the assertion if it is right, for the challenge of this plan and the party it was asked by."""
        state, party = attempt.state_of(CLASS), _party(attempt)
        drawn = state.get("challenge")
        # guard: A35 a credential answers for the RP ID it was made for
        if party is None or not isinstance(drawn, str) or state.get("rp_id") != device.own["rp_id"]:
            return None
        response = _response(attempt)
        try:
            handle = webauthn.user_handle(response)
            asserted = webauthn.verify_assertion(
                response,
                challenge=drawn,
                party=webauthn.Party(cast("str", device.own["rp_id"]), party.origin),
                public_key=cast("str", device.own["public_key"]),
            )
        except webauthn.InvalidResponse as error:
            log.info("passkey %s (device %s) was not accepted: %s", device.name, device.uuid, error)
            return None
        owner = str(device.own["user_handle"])
        return asserted if not owner or handle is None or hmac.compare_digest(owner, handle) else None


def new_challenge() -> str:
    """Return a random challenge."""
    return webauthn.as_text(secrets.token_bytes(CHALLENGE_BYTES))


def _credential(device: Device) -> webauthn.Credential:
    return webauthn.Credential(str(device.own["credential_id"]), tuple(str(device.own["transports"]).split()))


def _response(attempt: Attempt) -> Mapping[str, object]:
    response = attempt.answer.get(WebAuthnAuthenticator.FIELD)
    return response if isinstance(response, Mapping) else {}


def _party(attempt: Attempt) -> Party | None:
    return None if attempt.request is None else party_of(attempt.request, _hosts(attempt.demands_of(CLASS)))


def _hosts(demands: Mapping[str, object]) -> Collection[str]:
    return cast("Collection[str]", demands.get("hosts", ()))


def _user_verification(demands: Mapping[str, object]) -> Requirement:
    return cast("Requirement", demands.get("user_verification", "preferred"))


def _is_allowed(device: Device, demands: Mapping[str, object]) -> bool:
    allowed = cast("Collection[str] | None", demands.get("aaguids"))
    return allowed is None or device.own["aaguid"] in allowed


def _went_back(device: Device, stored: int, count: int) -> str:
    return f"The counter of passkey {device.name} went from {stored} to {count}: there may be a copy of it."
