"""Where an application is opened: its own launch address, else its provider's."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, urlsplit

from ostiary.applications.by_provider import provider_of
from ostiary.applications.resources import Application
from ostiary.directory.user import Subject
from ostiary.store.configuration.snapshot import Snapshot

HIDDEN: Final = "blank://blank"  # authentik's way to say "not in the library"
_FIELD: Final = re.compile(r"%\(([a-z_]+)\)s")


def launch_address(application: Application, *, subject: Subject, snapshot: Snapshot) -> str | None:
    """Return the address to open, with %(username)s and the like filled in; None when there is none to open."""
    address = application.meta_launch_url
    if not address:
        provider = provider_of(snapshot, application)
        address = (provider.launch_url() if provider is not None else None) or ""
    if not address or address == HIDDEN:
        return None
    filled = _FIELD.sub(lambda field: quote(_fields(subject).get(field[1], ""), safe=""), address)
    return filled if urlsplit(filled).scheme in {"http", "https"} or filled.startswith("/") else None


def _fields(subject: Subject) -> dict[str, str]:
    user = subject.user
    return {
        "username": user.username,
        "email": user.email,
        "name": user.name,
        "uuid": user.uuid,
        "uid": subject.uid,
        "pk": str(user.pk),
        "path": user.path,
    }
