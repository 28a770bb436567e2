"""What every stage that sets up an authenticator has to say afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ostiary.events.event import event
from ostiary.flows.run.stage_context import StageContext

FRESH: Final = 3_600_000_000  # microseconds since the sign-in within which an authenticator may be added
SKEW: Final = 60_000_000  # microseconds: clocks of several servers may be apart; further ahead one was wrong
ENROLLED: Final = "enrolled"
STALE: Final = "Please sign in again before you add an authenticator."

if TYPE_CHECKING:
    from ostiary.directory.user import User
    from ostiary.store.database import Statement


def is_fresh(stage_context: StageContext) -> bool:
    """Tell whether the person was proven lately: in this very flow, or by a sign-in not long ago."""
    if "user_backend" in stage_context.context:
        return True
    return (
        stage_context.session.auth_time is not None
        and -SKEW <= stage_context.now - stage_context.session.auth_time <= FRESH
    )


def device_added(stage_context: StageContext, user: User, *, name: str, model_name: str, app: str) -> Statement:
    """Return the event of a new authenticator."""
    return event(
        "model_created",
        user=user.who,
        app="authentik.events.signals",
        context={"model": {"app": app, "model_name": model_name, "name": name, "pk": ""}},
        client_ip=stage_context.client,
        now=stage_context.now,
    )


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
