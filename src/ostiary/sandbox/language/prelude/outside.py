"""What the host gives to a program: values it is started with, and functions that ask the host.

Here are names and types alone. `evaluation` implements them.
"""

from __future__ import annotations

from typing import Any

given_user: dict[str, Any] = {}
given_group_names: list[str] = []
given_context: dict[str, Any] = {}
given_facts: dict[str, Any] = {}
given_plan: dict[str, Any] | None = None
given_http: dict[str, Any] | None = None
given_object: dict[str, Any] | None = None
given_provider: dict[str, Any] | None = None
given_token: dict[str, Any] | None = None
given_client_ip: dict[str, Any] | None = None
given_sso: bool = False
given_shift: Any = None
given_names: dict[str, Any] = {}
given_networks: dict[str, dict[str, Any]] = {}


def host_rows(reference: list[Any], lookups: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a relation, or of a whole kind: all that match the look-ups, and perhaps others."""
    raise NotImplementedError


def host_person(field: str, value: Any) -> dict[str, Any] | None:
    """Return a user by pk, username or uuid, as `given_user`; None without one."""
    raise NotImplementedError


def host_devices(user: int) -> list[dict[str, Any]]:
    """Return the devices of a user, also those that are not confirmed."""
    raise NotImplementedError


def host_has_authenticator(user: int, device_type: str | None) -> bool:
    """Tell whether a user has a device, of that type if one is named."""
    raise NotImplementedError


def host_call_policy(name: str, context: dict[str, Any]) -> dict[str, Any]:
    """Return what a policy says: passing, messages, raw_result."""
    raise NotImplementedError


def host_network(kind: str, text: Any, strict: bool) -> dict[str, Any]:
    """Return the values of an address or a network. Raises ValueError."""
    raise NotImplementedError


def host_fetch(method: str, url: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the response to a request. Raises OSError, PermissionError, TimeoutError, ValueError."""
    raise NotImplementedError


def host_addresses(host: str, version: int | None) -> list[str]:
    """Return the addresses of a name, of that version if one is named. Raises PermissionError."""
    raise NotImplementedError


def host_name(address: str) -> str:
    """Return the name of an address, or the address. Raises PermissionError."""
    raise NotImplementedError


def host_skip_object() -> None:
    """End the program: its object is to be skipped."""
    raise NotImplementedError


def uses(*names: str) -> bool:
    """Tell whether the program mentions one of these names. Decided when it is made: the other branch stays away."""
    return bool(names)
