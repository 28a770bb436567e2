"""Web Authentication (WebAuthn, Level 3): the options for the browser, and the verification of its responses.

Binary values are base64url texts without padding, as in the JSON of the specification (sections 5.1.8 and 5.1.9). A
challenge is one of them: the caller draws it, keeps it, and accepts it once. The cryptography is that of `webauthn`
(py_webauthn), which is loaded with the first response.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Final, Literal

from ostiary.record import dataclass

Requirement = Literal["required", "preferred", "discouraged"]

ALGORITHMS: Final = (-7, -8, -36, -37, -38, -39, -257, -258, -259)
"""The COSE algorithms of keys (RFC 8812, RFC 9053), the preferred first."""
NO_AAGUID: Final = "00000000-0000-0000-0000-000000000000"
"""The AAGUID of authenticators that do not tell their model."""
TIMEOUT: Final = 60_000  # milliseconds; a hint for the browser

_MAX_TEXT_LENGTH: Final = 65_536  # characters of one binary value
_MAX_ID_LENGTH: Final = 1_364  # characters: 1,023 bytes (section 4, credential ID)
_TRANSPORTS: Final = ("usb", "nfc", "ble", "smart-card", "hybrid", "internal")


class InvalidResponse(ValueError):
    """A response that proves nothing. The message is for the log."""


@dataclass(frozen=True, slots=True)
class Party:
    """The relying party of one ceremony: its RP ID, and the origin of the page that asks."""

    rp_id: str
    origin: str


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential, as options name it. `transports` may be empty."""

    id: str
    transports: tuple[str, ...] = ()

    def data(self) -> dict[str, object]:
        """Return the descriptor (section 5.8.3)."""
        described: dict[str, object] = {"id": self.id, "type": "public-key"}
        return {**described, "transports": list(self.transports)} if self.transports else described


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A new credential. `public_key` is a COSE key. `aaguid` is the model by the authenticator's own account."""

    credential_id: str
    public_key: str = field(repr=False)
    sign_count: int
    aaguid: str
    transports: tuple[str, ...]
    user_verified: bool
    backed_up: bool


@dataclass(frozen=True, slots=True)
class Asserted:
    """A right assertion. The caller judges `user_verified`, and compares `sign_count` with the stored one (6.1.1)."""

    sign_count: int
    user_verified: bool
    backed_up: bool


def creation_options(
    *,
    rp_id: str,
    rp_name: str,
    user: Mapping[str, str],
    challenge: str,
    exclude: Sequence[Credential],
    attachment: str | None,
    resident_key: Requirement,
    user_verification: Requirement,
) -> dict[str, object]:
    """Return PublicKeyCredentialCreationOptionsJSON. `user` has id (base64url), name and displayName."""
    selection: dict[str, object] = {
        "residentKey": resident_key,
        "requireResidentKey": resident_key == "required",
        "userVerification": user_verification,
    }
    return {
        "rp": {"name": rp_name, "id": rp_id},
        "user": dict(user),
        "challenge": challenge,
        "pubKeyCredParams": [{"type": "public-key", "alg": number} for number in ALGORITHMS],
        "timeout": TIMEOUT,
        "excludeCredentials": [one.data() for one in exclude],
        "authenticatorSelection": {"authenticatorAttachment": attachment, **selection} if attachment else selection,
        "attestation": "direct",  # else many authenticators do not tell their model
    }


def request_options(
    *, rp_id: str, challenge: str, allow: Sequence[Credential], user_verification: Requirement
) -> dict[str, object]:
    """Return PublicKeyCredentialRequestOptionsJSON. Without `allow` the authenticator offers what it has."""
    return {
        "challenge": challenge,
        "timeout": TIMEOUT,
        "rpId": rp_id,
        "allowCredentials": [one.data() for one in allow],
        "userVerification": user_verification,
    }


def credential_id(response: Mapping[str, object]) -> str | None:
    """Return the credential ID of a response, None if it has none."""
    named = response.get("id")
    return named if isinstance(named, str) and 0 < len(named) <= _MAX_ID_LENGTH else None


def user_handle(response: Mapping[str, object]) -> str | None:
    """Return the user handle of an assertion, as text; None if the authenticator sent none."""
    inner = response.get("response")
    handle = inner.get("userHandle") if isinstance(inner, Mapping) else None
    return as_bytes(handle).decode("utf-8", "replace") if isinstance(handle, str) and handle else None


def load_verifier() -> None:
    """Load what the verification needs. The first time takes long: callers do it in a thread."""
    import webauthn  # noqa: F401, PLC0415 - 13 MiB, for those who use passkeys only


def verify_registration(response: Mapping[str, object], *, challenge: str, party: Party) -> Registered:
    """Verify the response to creation options (section 7.1), but for user verification. Raises InvalidResponse."""
    from webauthn import verify_registration_response  # noqa: PLC0415 - 13 MiB, for those who use passkeys only
    from webauthn.helpers.cose import COSEAlgorithmIdentifier  # noqa: PLC0415

    _check_shape(response, ("clientDataJSON", "attestationObject"))
    # guard: A35 a passkey is made for the page that asked
    try:
        verified = verify_registration_response(
            credential=_plain(response),
            expected_challenge=as_bytes(challenge),
            expected_rp_id=party.rp_id,
            expected_origin=party.origin,
            supported_pub_key_algs=[COSEAlgorithmIdentifier(number) for number in ALGORITHMS],
        )
    except Exception as error:  # the parsers of the library raise whatever Python raises
        raise InvalidResponse(_reason(error)) from error
    return Registered(
        credential_id=as_text(verified.credential_id),
        public_key=as_text(verified.credential_public_key),
        sign_count=verified.sign_count,
        aaguid=str(verified.aaguid).lower() or NO_AAGUID,
        transports=_transports(response),
        user_verified=verified.user_verified,
        backed_up=verified.credential_backed_up,
    )


def verify_assertion(response: Mapping[str, object], *, challenge: str, party: Party, public_key: str) -> Asserted:
    """Verify the response to request options (section 7.2), but for counter and user verification.

    Raises InvalidResponse.
    """
    from webauthn import verify_authentication_response  # noqa: PLC0415 - 13 MiB, for those who use passkeys only

    _check_shape(response, ("clientDataJSON", "authenticatorData", "signature"))
    # guard: A35 an assertion answers the page that asked
    try:
        verified = verify_authentication_response(
            credential=_plain(response),
            expected_challenge=as_bytes(challenge),
            expected_rp_id=party.rp_id,
            expected_origin=party.origin,
            credential_public_key=as_bytes(public_key),
            credential_current_sign_count=0,
        )
    except Exception as error:  # the parsers of the library raise whatever Python raises
        raise InvalidResponse(_reason(error)) from error
    return Asserted(verified.new_sign_count, verified.user_verified, verified.credential_backed_up)


def as_text(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def as_bytes(text: str) -> bytes:
    """Return the bytes of base64url, with or without padding. Raises InvalidResponse."""
    try:
        bare = text.rstrip("=").encode("ascii")
        return base64.b64decode(bare + b"=" * (-len(bare) % 4), b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise InvalidResponse("expected base64url") from None


def _check_shape(response: Mapping[str, object], members: Sequence[str]) -> None:
    """Check what the library does not: sizes, and that the page was not in a frame of another site (section 7.2)."""
    inner = response.get("response")
    if credential_id(response) is None or not isinstance(inner, Mapping):
        raise InvalidResponse("expected a credential")
    for name in members:
        value = inner.get(name)
        if not isinstance(value, str) or len(value) > _MAX_TEXT_LENGTH:
            raise InvalidResponse(f"expected {name}")
    try:
        client_data = json.loads(as_bytes(inner["clientDataJSON"]))
    except (ValueError, RecursionError):
        raise InvalidResponse("expected clientDataJSON") from None
    # guard: A35 a page in a frame of another site proves nothing
    if not isinstance(client_data, dict) or client_data.get("crossOrigin") not in {None, False}:
        raise InvalidResponse("the page was in a frame of another site")


def _plain(response: Mapping[str, object]) -> dict[str, Any]:
    """Return what the library reads, without members that it only judges."""
    inner = response["response"]
    kept = {"id": response.get("id"), "rawId": response.get("rawId"), "type": response.get("type")}
    return {**kept, "response": dict(inner) if isinstance(inner, Mapping) else {}}


def _transports(response: Mapping[str, object]) -> tuple[str, ...]:
    inner = response.get("response")
    named = inner.get("transports") if isinstance(inner, Mapping) else None
    listed = named if isinstance(named, list) else []
    return tuple(one for one in _TRANSPORTS if one in listed)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
