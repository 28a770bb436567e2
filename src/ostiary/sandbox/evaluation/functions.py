"""The host functions of programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ostiary.sandbox.evaluation.object_fields import device_fields, subject_values
from ostiary.sandbox.evaluation.query_rows import QueryRows
from ostiary.sandbox.language.networks import network_values
from ostiary.sandbox.workers import HostError, HostFunction

if TYPE_CHECKING:
    from ostiary.directory.authenticators.device import Device
    from ostiary.directory.authenticators.devices import Devices
    from ostiary.directory.rows.found import Finder
    from ostiary.directory.user import Subject
    from ostiary.directory.users import Users
    from ostiary.sandbox.evaluation.expression_context import ExpressionContext
    from ostiary.sandbox.language.program import PreparedProgram

_DEVICE_CLASSES: Final = frozenset({"duo", "email", "sms", "static", "totp", "webauthn"})
_NUMBERS: Final = 2**63  # what a column holds


class Functions:
    """The implementation of the host functions, with data of the directory and of the expression context."""

    def __init__(self, users: Users, devices: Devices, finder: Finder) -> None:
        self._users = users
        self._devices = devices
        self._lookups = QueryRows(users, finder, devices)

    def of(self, expression_context: ExpressionContext, prepared: PreparedProgram) -> Mapping[str, HostFunction]:
        """Return the functions of one run, by the names of `prelude.outside`."""

        async def person(field: object, value: object) -> object:
            return await self._person(field, value, prepared)

        async def rows(reference: object, lookups: object) -> object:
            return await self._lookups.rows(reference, lookups, prepared)

        async def devices(user: object) -> object:
            return [device_fields(one) for one in await self._held(user)]

        async def has_authenticator(user: object, device_type: object) -> bool:
            return await self._has_authenticator(user, device_type)

        async def call_policy(name: object, context: Mapping[str, object]) -> object:
            return await _call_policy(expression_context, str(name), context)

        return {
            "host_person": person,
            "host_rows": rows,
            "host_devices": devices,
            "host_has_authenticator": has_authenticator,
            "host_call_policy": call_policy,
            "host_network": _network,
        }

    async def subject(self, pk: int) -> Subject | None:
        """Return a person."""
        return await self._users.subject(pk)

    async def _person(self, field: object, value: object, prepared: PreparedProgram) -> object:
        match field, value:
            case "pk", int() if type(value) is int and abs(value) < _NUMBERS:
                pk: int | None = value
            case "username", str():
                found = await self._users.by_username(value)
                pk = found.pk if found is not None and found.username == value else None
            case "uuid", str():
                found = await self._users.by_uuid(value)
                pk = None if found is None else found.pk
            case _:
                return None
        subject = None if pk is None else await self._users.subject(pk)
        return None if subject is None else subject_values(subject, prepared.attributes)

    async def _held(self, user: object) -> Sequence[Device]:
        return await self._devices.of_user(user) if type(user) is int and abs(user) < _NUMBERS else ()

    async def _has_authenticator(self, user: object, device_type: object) -> bool:
        held = {device.device_class for device in await self._held(user) if device.confirmed}
        if device_type is None:
            return bool(held)
        if device_type not in _DEVICE_CLASSES:
            raise HostError(f"there are no devices of the type {device_type!r}")
        return device_type in held


async def _call_policy(expression_context: ExpressionContext, name: str, context: Mapping[str, object]) -> object:
    if expression_context.call_policy is None:
        raise HostError("no policy can be called here", RuntimeError)
    try:
        return await expression_context.call_policy(name, context)
    except LookupError:
        raise HostError(f"there is no policy {name!r}") from None


def _network(kind: object, text: object, strict: object) -> object:
    try:
        return network_values(str(kind), text, strict=bool(strict))
    except ValueError as error:
        raise HostError(str(error)) from None
