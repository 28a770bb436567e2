"""What a plan says of the devices that were used in it, or set up: `auth_method_args.mfa_devices`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ostiary.flows.interface.stage_context import StageContext

ENROLLED: Final = "enrolled"


def used_devices(arguments: Mapping[str, object]) -> list[object]:
    """Return the devices of `auth_method_args` that proved somebody: not those that were set up on the way."""
    devices = arguments.get("mfa_devices")
    listed = devices if isinstance(devices, list) else []
    return [one for one in listed if not (isinstance(one, dict) and one.get(ENROLLED))]


def with_device(
    stage_context: StageContext, *, name: str, model: str, pk: int | None = None, enrolled: bool = False
) -> dict[str, object]:
    """Return the plan context that says a device was used, or set up just now: `auth_method_args.mfa_devices`."""
    arguments = stage_context.mapping("auth_method_args")
    before = arguments.get("mfa_devices")
    app, _, model_name = model.partition(".")
    device: dict[str, object] = {"app": app, "model_name": model_name, "name": name, "pk": pk}
    if enrolled:
        device[ENROLLED] = True
    devices = [*(before if isinstance(before, list) else []), device]
    return {
        "auth_method": stage_context.text("auth_method") or "auth_mfa",
        "auth_method_args": {**arguments, "mfa_devices": devices},
    }
