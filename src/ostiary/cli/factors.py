"""The commands for the authenticators of a user: list them, remove one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ostiary.cli.accounts import Username, with_core

if TYPE_CHECKING:
    from ostiary.app.core import Core
    from ostiary.directory.authenticators.device import Device
    from ostiary.directory.user import User


def list_factors(username: Username) -> None:
    """List a person's second factors and passkeys."""
    from ostiary.cli.tables import print_table  # noqa: PLC0415 - only this command prints a table
    from ostiary.cli.times import show_time  # noqa: PLC0415

    async def work(core: Core, _now: int) -> None:
        user = await _user(core, username)
        rows = [
            (
                _id(device),
                core.devices.kind_of(device).WORDING.name,
                device.name,
                show_time(device.created),
                "never" if device.last_used is None else show_time(device.last_used),
                "yes" if device.confirmed else "not confirmed",
            )
            for device in await core.devices.of_user(user.pk)
        ]
        print_table(("id", "kind", "name", "added", "last used", "in use"), rows)

    with_core(work)


def remove_factor(
    username: Username,
    factor: Annotated[str, typer.Argument(help='Its id, as "ostiary user factors" lists it.', show_default=False)],
) -> None:
    """Remove one second factor or passkey of a person, for example a lost one. This is logged."""

    async def work(core: Core, now: int) -> None:
        from ostiary.directory.accounts import OPERATOR  # noqa: PLC0415 - wrong usage is reported before
        from ostiary.directory.authenticators.devices import removal_event  # noqa: PLC0415
        from ostiary.directory.errors import UnknownFactor  # noqa: PLC0415

        user = await _user(core, username)
        devices = await core.devices.of_user(user.pk)
        device = next((one for one in devices if _id(one) == factor), None)
        told = None if device is None else removal_event(device, user=user, who=OPERATOR, client_ip=None, now=now)
        if device is None or told is None or not await core.devices.delete(user.pk, device, audit_event=told):
            raise UnknownFactor(username, factor)
        left = sum(one.confirmed for one in devices if one is not device)
        typer.echo(f"removed {core.devices.kind_of(device).WORDING.name} {device.name} of {username}; {left} left")

    with_core(work)


async def _user(core: Core, username: str) -> User:
    from ostiary.directory.errors import UnknownUser  # noqa: PLC0415

    user = await core.users.by_username(username)
    if user is None:
        raise UnknownUser(username)
    return user


def _id(device: Device) -> str:
    return f"{device.device_class}:{device.pk}"
