"""Addresses for the operator. They are never built from a request."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Final

from ostiary.flows.plans.destination import flow_page
from ostiary.seal import Secret
from ostiary.settings import Address, Settings

SETUP_PATH: Final = flow_page("", "initial-setup", "token=").removeprefix("/")
RECOVERY_PATH: Final = "recovery/use-token/"
SETUP_FILE: Final = "setup-link"

_ANY: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def base_url(settings: Settings, host: str | None = None) -> str:
    """Return the address of the site, with its prefix and a final slash.

    `host` is the value of `Hosts.address`; without it the settings are used.
    """
    host = host or next((name.lstrip(".") for name in settings.hosts), None)
    if host is not None:
        is_http = host.endswith(f":{settings.listen.http.port}")  # that is no port for TLS
        return f"{'http' if is_http else 'https'}://{host}{settings.web.path}"
    return _at("http", settings.listen.http, settings.web.path)


def tls_url(settings: Settings) -> str | None:
    """Return the address of our own TLS listener, None without one."""
    address = settings.listen.https
    return _at("https", address, settings.web.path) if address is not None else None


def _at(scheme: str, address: Address, path: str) -> str:
    host = "localhost" if address.host in _ANY | _LOOPBACK else address.host
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{address.port}{path}"


def remote_access_hint(settings: Settings, host: str | None = None) -> str | None:
    """Return how to open a localhost link from another machine; None when the link names a host.

    Nobody can open 0.0.0.0, and only the operator knows the name of this machine.
    """
    address = settings.listen.http
    if host or settings.hosts or address.host not in _ANY | _LOOPBACK:
        return None
    here = socket.gethostname()
    if address.host in _ANY:
        return f"from another machine: with the name or address of this one in place of localhost, such as {here}"
    return f"from another machine: ssh -L {address.port}:localhost:{address.port} {here}, and open it there"


def setup_link(settings: Settings, token: Secret, host: str | None = None) -> str:
    """Return the one-time link of the first-run wizard."""
    return f"{base_url(settings, host)}{SETUP_PATH}{token.reveal()}"


def recovery_link(settings: Settings, key: Secret, host: str | None = None) -> str:
    """Return a recovery link, which signs a user in once."""
    return f"{base_url(settings, host)}{RECOVERY_PATH}{key.reveal()}/"


def write_setup_link(settings: Settings, link: str) -> Path:
    """Write the link to the data folder, readable by its owner alone, and return the file."""
    path = settings.data_dir / SETUP_FILE
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(link + "\n")
    return path


def remove_setup_link(settings: Settings) -> None:
    """Remove the file of a link that no longer works."""
    (settings.data_dir / SETUP_FILE).unlink(missing_ok=True)
