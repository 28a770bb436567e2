"""The relying party of a ceremony with passkeys: whose keys they are, and from which page they are asked for.

Both come from the address of the request, which is one of ours (`app.listening.hosts`). A key is bound to the host name
at which it was made, its RP ID; a browser lets another of our hosts ask for it where that name lists the host at
/.well-known/webauthn (related origins, WebAuthn Level 3, section 5.11).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

from ostiary.proto.authority import is_loopback, split
from ostiary.proto.webauthn import Party

if TYPE_CHECKING:
    from ostiary.directory.authenticators.device import Device
    from ostiary.web.request import Request

NO_PASSKEYS: Final = "Passkeys do not work at this address. Open this site by its host name."


def party_of(request: Request, hosts: Collection[str]) -> Party | None:
    """Return the relying party of a request; None at an IP address, or where nobody named the host (`hosts`)."""
    try:
        name, _ = split(request.host)
    except ValueError:
        return None
    if _is_ip(name):
        return None
    # guard: A35 passkeys are asked for at a named host only
    if not is_named(name, hosts) and not is_loopback(name):
        return None
    return Party(name, f"{request.scheme}://{request.host}")


def rp_id_for(party: Party, devices: Sequence[Device], hosts: Collection[str]) -> str:
    """Return the RP ID to ask for: this host's if a device has it, else that of the last used at another of ours."""
    if any(device.own.get("rp_id") == party.rp_id for device in devices):
        return party.rp_id
    others = [device for device in devices if is_named(str(device.own.get("rp_id")), hosts)]
    last = max(others, key=lambda device: (device.last_used or 0, device.created), default=None)
    return party.rp_id if last is None else str(last.own.get("rp_id"))


def is_named(name: str, hosts: Collection[str]) -> bool:
    """Return whether a host name, without port, is one of ours; one with a leading dot means all names below it."""
    for host in hosts:
        if host.startswith("."):
            if name.endswith(host):
                return True
        elif host == name or host.rpartition(":")[0] == name:
            return True
    return False


def related_origins(hosts: Collection[str]) -> list[str]:
    """Return the origins of our hosts, for browsers: those that are named whole."""
    return [f"https://{host}" for host in sorted(hosts) if not host.startswith(".") and not _is_ip(_name(host))]


def _name(host: str) -> str:
    try:
        return split(host)[0]
    except ValueError:
        return host


def _is_ip(name: str) -> bool:
    if name.startswith("["):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
