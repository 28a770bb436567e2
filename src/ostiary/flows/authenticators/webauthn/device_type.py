"""The models of authenticators: AAGUID and name. A shipped blueprint has some; others can be added."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Annotated

from ostiary.resource import MULTILINE, UNIQUE, Help, Length, Problem, Resource, kind


def _check(model: WebAuthnDeviceType) -> Iterable[Problem]:
    try:
        spelled = str(uuid.UUID(model.aaguid))
    except ValueError:
        yield Problem("aaguid", "expected a UUID")
        return
    if spelled != model.aaguid:
        yield Problem("aaguid", f"expected {spelled}")


@kind(
    "authentik_stages_authenticator_webauthn.webauthndevicetype",
    verbose_name="WebAuthn Device type",
    component="ak-stage-authenticator-webauthn-device-type-form",
    routes="stages/authenticator/webauthn_device_types",
    check=_check,
    label_field="description",
)
class WebAuthnDeviceType(Resource):
    """A model of authenticator, by the AAGUID of its devices. Passkeys are named after it."""

    aaguid: Annotated[str, UNIQUE, Help("Identifier of the model; all zeros stands for devices that tell none.")]
    description: Annotated[str, Length(least=1)]
    icon: Annotated[str, MULTILINE] = ""
