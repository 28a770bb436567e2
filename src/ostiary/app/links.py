"""Addresses that are told to the operator: never built from a request."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from ostiary.seal import Secret
from ostiary.settings import Address, Settings

SETUP_PATH: Final = "if/flow/initial-setup/?token="
RECOVERY_PATH: Final = "recovery/use-token/"
SETUP_FILE: Final = "setup-link"

_EVERYWHERE: Final = frozenset({"127.0.0.1", "::1", "0.0.0.0", "::", "localhost"})  # noqa: S104 - compared, not bound


def base_url(settings: Settings) -> str:
    """Return where people find the site, with its prefix and a final slash, as far as the settings tell."""
    if settings.hosts:
        return f"https://{settings.hosts[0].lstrip('.')}{settings.web.path}"
    return _at("http", settings.listen.http, settings.web.path)


def tls_url(settings: Settings) -> str | None:
    """Return where the same is served over TLS by ourselves; None for nowhere."""
    address = settings.listen.https
    return _at("https", address, settings.web.path) if address is not None else None


def _at(scheme: str, address: Address, path: str) -> str:
    host = "localhost" if address.host in _EVERYWHERE else address.host
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{address.port}{path}"


def setup_link(settings: Settings, token: Secret) -> str:
    """Return the one-time link of the first-run wizard."""
    return f"{base_url(settings)}{SETUP_PATH}{token.reveal()}"


def recovery_link(settings: Settings, key: Secret) -> str:
    """Return the link that signs somebody in once."""
    return f"{base_url(settings)}{RECOVERY_PATH}{key.reveal()}/"


def write_setup_link(settings: Settings, link: str) -> Path:
    """Write the link to the data folder, readable by its owner alone, and return the file."""
    path = settings.data_dir / SETUP_FILE
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(link + "\n")
    return path


def remove_setup_link(settings: Settings) -> None:
    """Remove the file of a link that is of no use any more."""
    (settings.data_dir / SETUP_FILE).unlink(missing_ok=True)
