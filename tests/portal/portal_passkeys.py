"""The samples of pages that ask for passkeys."""

from __future__ import annotations

from collections.abc import Mapping

from ostiary.flows.error_detail import ErrorDetail
from ostiary.flows.proofs.passkeys import WRONG

REQUEST_OPTIONS: dict[str, object] = {
    "challenge": "c2FtcGxlLWNoYWxsZW5nZQ",
    "timeout": 60000,
    "rpId": "localhost",
    "allowCredentials": [],
    "userVerification": "required",
}
CREATION_OPTIONS: dict[str, object] = {
    "rp": {"name": "Ostiary", "id": "localhost"},
    "user": {"id": "YWRh", "name": "ada", "displayName": "Ada"},
    "challenge": "c2FtcGxlLWNoYWxsZW5nZQ",
    "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
    "timeout": 60000,
    "excludeCredentials": [],
    "authenticatorSelection": {"residentKey": "preferred", "userVerification": "preferred"},
    "attestation": "direct",
}
PASSKEYS: Mapping[str, tuple[str, str, Mapping[str, object], Mapping[str, list[ErrorDetail]]]] = {
    "validate-passkey": (
        "ak-stage-authenticator-validate",
        "One more step",
        {
            "pending_user": "ada@example.org",
            "pending_user_avatar": "",
            "device_challenges": [
                {"device_class": "static", "device_uid": "2", "challenge": {}, "last_used": None},
                {"device_class": "webauthn", "device_uid": "1", "challenge": REQUEST_OPTIONS, "last_used": None},
            ],
            "configuration_stages": [],
        },
        {"webauthn": [ErrorDetail(WRONG)]},
    ),
    "passwordless": (
        "ak-stage-authenticator-validate",
        "Welcome to Ostiary",
        {
            "pending_user": "",
            "pending_user_avatar": "",
            "device_challenges": [
                {"device_class": "webauthn", "device_uid": "-1", "challenge": REQUEST_OPTIONS, "last_used": None}
            ],
            "configuration_stages": [],
        },
        {},
    ),
    "identification-passkey": (
        "ak-stage-identification",
        "Welcome to Ostiary",
        {
            "user_fields": ["username", "email"],
            "password_fields": False,
            "primary_action": "Log in",
            "passkey_challenge": REQUEST_OPTIONS,
            "passwordless_url": "/if/flow/passwordless/",
        },
        {},
    ),
    "webauthn": (
        "ak-stage-authenticator-webauthn",
        "Add a passkey",
        {"pending_user": "ada@example.org", "pending_user_avatar": "", "registration": CREATION_OPTIONS},
        {},
    ),
}
